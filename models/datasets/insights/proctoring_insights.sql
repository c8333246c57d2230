{{ scoped(ref('int_proctoring_insight'), 'student_id') }}
