{{ scoped(ref('int_student_mastery'), 'student_id', wide_from=0.5) }}
