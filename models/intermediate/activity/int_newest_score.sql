-- The newest score of an attempt counts: the latest date_created, then the highest id.
select
    score.attempt_id,
    {{ is_correct('score') }} as is_correct,
    score.score_id
from {{ ref('stg_caliper_score') }} as score
where
    not exists (
        select
        from {{ ref('stg_caliper_score') }} as newer
        where
            newer.attempt_id = score.attempt_id
            and (newer.date_created, newer.score_id collate "C") > (score.date_created, score.score_id collate "C")
    )
