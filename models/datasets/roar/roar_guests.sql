{{ scoped(ref('int_roar_guests'), 'id', people='roar_guest') }}
