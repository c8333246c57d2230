{{ scoped(ref('int_roar_guest'), 'id', people='roar_guest') }}
