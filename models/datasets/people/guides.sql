{{ scoped(ref('int_guide'), 'id') }}
