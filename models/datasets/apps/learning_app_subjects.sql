select distinct
    learning_app_id,
    subject_title
from {{ ref('stg_lti_application_subject') }}
