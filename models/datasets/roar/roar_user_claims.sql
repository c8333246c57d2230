{{ scoped(ref('int_roar_user_claim'), 'user_id', people='roar_user') }}
