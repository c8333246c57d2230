{{ scoped(ref('int_session_waste'), 'student_id', wide_from=0.5) }}
