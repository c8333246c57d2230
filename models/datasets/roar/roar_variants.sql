select
    task_id,
    id,
    name,
    last_updated,
    audio_feedback,
    button_layout,
    consent,
    number_of_trials,
    practice_corpus,
    recruitment,
    sequential_order,
    skip_instructions,
    stimulus_corpus,
    user_mode,
    params
from {{ ref('int_roar_variants') }}
