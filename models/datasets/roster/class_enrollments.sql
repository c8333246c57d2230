{{ scope_student_rows(ref('int_class_enrollment'), 'student_id') }}
