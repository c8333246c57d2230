{{ scoped(ref('int_roar_deleted_user'), 'id', people='roar_deleted_user') }}
