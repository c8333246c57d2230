{{ scoped(ref('int_roar_users'), 'id', people='roar_user') }}
