{{ scoped(ref('int_attempts'), 'student_id', wide_from=0.5) }}
