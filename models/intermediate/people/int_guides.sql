-- The users who hold a teacher or principal role, whatever its status or dates.
select
    person.user_id as id,
    person.name,
    person.email
from {{ ref('stg_one_roster_user') }} as person
where exists (
    select from {{ ref('stg_one_roster_role') }} as held
    where held.user_id = person.user_id and held.role in {{ guide_types() }}
)
