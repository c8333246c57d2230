{{ scope_to_caller(
    relation=ref('int_student_school'),
    person='student_id',
    columns=['student_id', 'school_id', 'school_name', 'link_kind', 'begin_date', 'end_date']
) }}
