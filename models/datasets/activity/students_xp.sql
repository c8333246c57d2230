{{ scope_to_caller(
    relation=ref('int_xp_total'),
    person='student_id',
    columns=['student_id', 'learning_app_id', 'session_id', 'date', 'total_value']
) }}
