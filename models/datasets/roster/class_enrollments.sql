{{ scope_student_rows(
    relation=ref('int_class_enrollment'),
    person='student_id',
    columns=[
        'enrollment_id',
        'student_id',
        'class_id',
        'class_title',
        'course_id',
        'course_title',
        'school_id',
        'school_name',
        'role',
        'is_primary',
        'begin_date',
        'end_date',
        'status',
        'subject_ids',
        'grade_ids'
    ]
) }}
