{{ scope_to_caller(
    relation=ref('int_cheating_insight'),
    person='student_id',
    columns=['session_id', 'insight_type', 'started_at_time', 'ended_at_time', 'duration_sec', 'description']
) }}
