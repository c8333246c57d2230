select
    lti_application_id as learning_app_id,
    subject_title
from {{ source('operational', 'lti_application_subject') }}
