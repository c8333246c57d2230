{{ scoped(ref('int_recommendations'), 'student_id') }}
