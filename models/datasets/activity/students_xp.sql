{{ scoped(ref('int_students_xp'), 'student_id', grouped=true, wide_from=0.5) }}
