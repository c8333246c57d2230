{{ scoped(ref('int_roar_user_runs'), 'user_id', people='roar_user') }}
