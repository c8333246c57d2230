{{ scoped(ref('int_roar_user_claims'), 'user_id', people='roar_user') }}
