{{ scoped(ref('int_students_xp'), 'student_id', grouped=not var('stored_facts'), wide_from=0.5) }}
