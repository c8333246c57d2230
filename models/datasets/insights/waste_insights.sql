{{ scope_to_caller(
    relation=ref('int_waste_insight'),
    person='student_id',
    columns=['waste_duration_sec', 'waste_type', 'session_id', 'started_at_time', 'ended_at_time', 'description']
) }}
