{{ scoped(ref('int_waste_insights'), 'student_id') }}
