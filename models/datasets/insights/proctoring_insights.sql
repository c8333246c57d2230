{{ scoped(ref('int_proctoring_insights'), 'student_id') }}
