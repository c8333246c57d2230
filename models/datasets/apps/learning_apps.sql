select
    learning_app_id as id,
    name
from {{ ref('stg_lti_application') }}
