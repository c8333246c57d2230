{{ scoped(ref('int_waste_insight'), 'student_id') }}
