{{ scoped(ref('int_roar_user_trial'), 'user_id', people='roar_user') }}
