{{ scoped(ref('int_roar_deleted_users'), 'id', people='roar_deleted_user') }}
