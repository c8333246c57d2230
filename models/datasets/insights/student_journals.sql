{{ scope_to_caller(
    relation=ref('int_student_journal'),
    person='student_id',
    columns=['id', 'student_id', 'session_id', 'learning_app_id', 'journal_text', 'date', 'timestamp']
) }}
