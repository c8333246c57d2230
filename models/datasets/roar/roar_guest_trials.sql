{{ scoped(ref('int_roar_guest_trial'), 'guest_id', people='roar_guest') }}
