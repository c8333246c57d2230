{{ scoped(ref('int_roar_user_run'), 'user_id', people='roar_user') }}
