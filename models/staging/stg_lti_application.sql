select
    id as learning_app_id,
    name,
    application_type
from {{ source('operational', 'lti_application') }}
