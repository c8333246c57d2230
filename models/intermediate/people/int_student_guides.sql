-- Every period in which an educator guides a student. A person without a user row keeps the
-- relationship, with an empty name.
select
    relationship.student_id,
    coalesce(student.name, '') as student_name,
    relationship.guide_id,
    coalesce(guide.name, '') as guide_name,
    relationship.relationship_type,
    relationship.status,
    relationship.begin_date,
    relationship.end_date,
    relationship.assigned_date,
    relationship.last_modified_date
from {{ ref('stg_one_roster_user_agent') }} as relationship
left join {{ ref('stg_one_roster_user') }} as student on relationship.student_id = student.user_id
left join {{ ref('stg_one_roster_user') }} as guide on relationship.guide_id = guide.user_id
where relationship.relationship_type in {{ guide_types() }}
