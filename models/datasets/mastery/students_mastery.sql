{{ scoped(ref('int_students_mastery'), 'student_id', wide_from=0.5) }}
