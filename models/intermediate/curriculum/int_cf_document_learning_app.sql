-- The one learning application whose curriculum a CASE document belongs to. A document of several
-- keeps the application with the lowest name, then the lowest id. An id that leads to no application
-- has no name: it comes last, and stays where the document has no other.
select distinct on (curriculum_scope.cf_document_id)
    curriculum_scope.cf_document_id,
    curriculum_scope.learning_app_id
from {{ ref('stg_lti_application_curriculum_scope') }} as curriculum_scope
left join {{ ref('stg_lti_application') }} as learning_app
    on curriculum_scope.learning_app_id = learning_app.learning_app_id
order by
    curriculum_scope.cf_document_id,
    learning_app.name collate "C" asc nulls last,
    curriculum_scope.learning_app_id
