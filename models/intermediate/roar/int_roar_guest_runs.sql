{{ roar_runs('guest_run') }}
