{{ scoped(ref('int_session_cheating'), 'student_id', wide_from=0.5) }}
