{{ scoped(ref('int_student_guide'), 'student_id') }}
