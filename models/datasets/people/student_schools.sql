{{ scoped(ref('int_student_schools'), 'student_id', grouped=true) }}
