{{ scoped(ref('int_student'), 'id') }}
