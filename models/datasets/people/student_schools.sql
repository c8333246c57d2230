{{ scoped(ref('int_student_school'), 'student_id', grouped=true) }}
