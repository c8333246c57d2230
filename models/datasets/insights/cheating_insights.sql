{{ scoped(ref('int_cheating_insights'), 'student_id') }}
