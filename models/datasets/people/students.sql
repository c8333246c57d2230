{{ scoped(ref('int_students'), 'id') }}
