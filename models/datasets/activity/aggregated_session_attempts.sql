{{ scope_to_caller(
    relation=ref('int_session_attempt'),
    person='student_id',
    columns=[
        'session_id', 'student_id', 'date', 'total_questions_answered', 'total_questions_correct', 'avg_duration_sec',
    ]
) }}
