{{ scoped(ref('int_sessions_waste'), 'student_id', wide_from=0.5) }}
