{{ scope_to_caller(
    relation=ref('int_student_mastery'),
    person='student_id',
    columns=['student_id', 'mastery_percentage', 'curriculum_item_id', 'mastery_timestamp', 'learning_app_id']
) }}
