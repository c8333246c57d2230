{{ scoped(ref('int_students_enrollments'), 'student_id', grouped=true) }}
