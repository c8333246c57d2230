{{ scoped(ref('int_aggregated_session_attempts'), 'student_id', grouped=true, wide_from=0.5) }}
