select
    roar_user_trials.item_type,
    width_bucket(roar_user_trials.rt, 0, 3000, 15) * 200 - 200 as from_ms,
    count(*) as trials
from {{ ref('roar_user_trials') }}
where
    roar_user_trials.item_type is not null
    and roar_user_trials.rt >= 0
    and roar_user_trials.rt < 3000
group by roar_user_trials.item_type, from_ms
order by roar_user_trials.item_type, from_ms
