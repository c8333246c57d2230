select
    id as achievement_id,
    cf_item_id,
    achievement_type
from {{ source('operational', 'clr_achievement') }}
