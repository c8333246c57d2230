{{ scoped(ref('int_student_start_date'), 'student_id', grouped=true) }}
