{{ scope_student_rows(ref('int_course_enrollments'), 'student_id', grouped=true) }}
