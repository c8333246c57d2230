{{ scope_to_caller(
    relation=ref('int_session'),
    person='student_id',
    columns=[
        'id', 'student_id', 'learning_app_id', 'date', 'start_time', 'end_time', 'duration_sec',
        'webcam_enabled', 'is_proctored',
    ]
) }}
