-- The users who hold a student role, whatever its status or dates.
with student_role as (
    select distinct user_id
    from {{ ref('stg_one_roster_role') }}
    where role = 'student'
)

select
    person.user_id as id,
    person.name,
    person.email
from {{ ref('stg_one_roster_user') }} as person
inner join student_role on person.user_id = student_role.user_id
