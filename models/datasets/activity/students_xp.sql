{{ scoped(ref('int_xp_total'), 'student_id', grouped=true, wide_from=0.5) }}
