{{ scope_to_caller(
    relation=ref('int_student_placement'),
    person='student_id',
    columns=['student_id', 'subject_id', 'grade_id', 'placement_status', 'last_updated']
) }}
