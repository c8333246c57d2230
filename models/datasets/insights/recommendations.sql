{{ scope_to_caller(
    relation=ref('int_student_recommendation'),
    person='student_id',
    columns=[
        'id', 'student_id', 'type', 'source', 'source_reference_id', 'title', 'visibility', 'content', 'date',
        'generated_at', 'delivered_at', 'feedback_sentiment', 'feedback_text', 'feedback_at'
    ]
) }}
