{{ scope_to_caller(
    relation=ref('int_student_start_date'),
    person='student_id',
    columns=['student_id', 'admission_date', 'earliest_enrollment_date', 'earliest_map_date']
) }}
