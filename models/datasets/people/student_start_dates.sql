{{ scoped(ref('int_student_start_dates'), 'student_id', grouped=true) }}
