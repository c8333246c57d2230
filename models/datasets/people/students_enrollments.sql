{{ scope_to_caller(
    relation=ref('int_student_organization'),
    person='student_id',
    columns=['student_id', 'organization_name']
) }}
