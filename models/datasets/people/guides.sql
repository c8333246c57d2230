{{ scoped(ref('int_guides'), 'id') }}
