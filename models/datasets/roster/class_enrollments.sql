{{ scope_student_rows(ref('int_class_enrollments'), 'student_id') }}
