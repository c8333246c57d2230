{{ scope_student_rows(ref('int_course_enrollment'), 'student_id', grouped=true) }}
