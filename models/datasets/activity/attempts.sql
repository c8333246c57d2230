{{ scoped(ref('int_attempt'), 'student_id', wide_from=0.5) }}
