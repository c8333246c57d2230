select
    id as user_id,
    {{ person_name('given_name', 'family_name') }} as name,
    given_name,
    family_name,
    email,
    username,
    status,
    date_created,
    date_last_modified
from {{ source('operational', 'one_roster_user') }}
