{{ scope_to_caller(
    relation=ref('int_guide'),
    person='id',
    columns=['id', 'name', 'email']
) }}
