{{ scoped(ref('int_student_journals'), 'student_id') }}
