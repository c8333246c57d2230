{{ scoped(ref('int_student_placement'), 'student_id') }}
