{{ scoped(ref('int_roar_user'), 'id', people='roar_user') }}
