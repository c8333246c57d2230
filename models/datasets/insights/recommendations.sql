{{ scoped(ref('int_student_recommendation'), 'student_id') }}
