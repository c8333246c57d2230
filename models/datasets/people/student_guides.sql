{{ scoped(ref('int_student_guides'), 'student_id') }}
