{{ scoped(ref('int_roar_guest_trials'), 'guest_id', people='roar_guest') }}
