{{ scoped(ref('int_roar_guest_runs'), 'guest_id', people='roar_guest') }}
