-- A variant may stand under both spellings of the collection: the newer document counts, of two as old
-- the one under `tasks`.
with variant as (
    {{ roar_documents('variant', ['update_time', 'collection']) | indent(4) }}
)

select distinct on (variant.task_id, variant.id)
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
from variant
order by variant.task_id, variant.id, variant.update_time desc, variant.collection desc
