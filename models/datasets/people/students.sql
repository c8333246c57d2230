{{ scope_to_caller(
    relation=ref('int_student'),
    person='id',
    columns=['id', 'name', 'email']
) }}
