{{ scoped(ref('int_session_attempt'), 'student_id', grouped=true, wide_from=0.5) }}
