{{ scoped(ref('int_roar_user_trials'), 'user_id', people='roar_user') }}
