{{ config(severity='warn', group='catalog') }}
select
    cf_document_id,
    count(distinct learning_app_id) as learning_app_count
from {{ ref('stg_lti_application_curriculum_scope') }}
group by cf_document_id
having count(distinct learning_app_id) > 1
