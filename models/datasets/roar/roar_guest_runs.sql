{{ scoped(ref('int_roar_guest_run'), 'guest_id', people='roar_guest') }}
