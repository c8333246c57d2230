{{ scope_to_caller(
    relation=ref('int_session_waste'),
    person='student_id',
    columns=['session_id', 'waste_duration_sec']
) }}
