{{ scope_student_rows(
    relation=ref('int_course_enrollment'),
    person='student_id',
    columns=[
        'student_id',
        'course_id',
        'course_title',
        'school_ids',
        'subject_ids',
        'begin_date',
        'end_date',
        'has_primary',
        'class_count'
    ]
) }}
