select
    class_id,
    subject_id
from {{ source('operational', 'one_roster_class_subject') }}
