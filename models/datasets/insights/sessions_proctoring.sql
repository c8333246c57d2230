{{ scoped(ref('int_session_proctoring'), 'student_id', wide_from=0.5) }}
