{{ roar_runs('user_run') }}
