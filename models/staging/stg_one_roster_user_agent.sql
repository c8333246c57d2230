select
    id as user_agent_id,
    source_user_id as student_id,
    agent_user_id as guide_id,
    relationship_type,
    status,
    begin_date,
    end_date,
    date_created as assigned_date,
    date_last_modified as last_modified_date
from {{ source('operational', 'one_roster_user_agent') }}
