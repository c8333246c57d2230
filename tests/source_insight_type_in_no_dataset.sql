{{ config(severity='warn', group='catalog') }}
select
    slug,
    category,
    is_waste
from {{ ref('stg_insights_type') }}
where
    visibility = 'external'
    and slug <> 'Journal'
    and (
        category = 'Journal'
        or (is_waste and category not in ('Engagement', 'Proctoring', 'Cheating'))
    )
