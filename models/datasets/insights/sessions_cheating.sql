{{ scoped(ref('int_sessions_cheating'), 'student_id', wide_from=0.5) }}
