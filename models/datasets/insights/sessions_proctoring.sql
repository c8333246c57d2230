{{ scoped(ref('int_sessions_proctoring'), 'student_id', wide_from=0.5) }}
