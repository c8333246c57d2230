{{ scoped(ref('int_student_journal'), 'student_id') }}
