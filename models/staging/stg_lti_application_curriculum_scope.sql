select
    lti_application_id as learning_app_id,
    cf_document_id
from {{ source('operational', 'lti_application_curriculum_scope') }}
