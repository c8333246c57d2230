{{ scope_to_caller(
    relation=ref('int_student_guide'),
    person='student_id',
    columns=[
        'student_id',
        'student_name',
        'guide_id',
        'guide_name',
        'relationship_type',
        'status',
        'begin_date',
        'end_date',
        'assigned_date',
        'last_modified_date'
    ]
) }}
