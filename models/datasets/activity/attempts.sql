{{ scope_to_caller(
    relation=ref('int_attempt'),
    person='student_id',
    columns=[
        'student_id', 'resource_id', 'session_id', 'date', 'start_time', 'end_time', 'duration_sec', 'is_correct',
    ]
) }}
