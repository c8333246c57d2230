{{ scope_to_caller(
    relation=ref('int_session_cheating'),
    person='student_id',
    columns=['session_id', 'cheating_duration_sec']
) }}
