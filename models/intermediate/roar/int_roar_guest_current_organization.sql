-- A guest belongs to a district and to nothing else.
select
    id as person_id,
    district_id collate "C" as org_id
from {{ ref('int_roar_guests') }}
where district_id is not null
