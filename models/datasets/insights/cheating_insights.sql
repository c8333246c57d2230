{{ scoped(ref('int_cheating_insight'), 'student_id') }}
