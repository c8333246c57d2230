{{ scoped(ref('int_student_organization'), 'student_id', grouped=true) }}
