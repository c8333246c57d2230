{{ scope_to_caller(
    relation=ref('int_session_proctoring'),
    person='student_id',
    columns=['session_id', 'proctoring_duration_sec']
) }}
