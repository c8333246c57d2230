select
    identifier as cf_document_id,
    title
from {{ source('operational', 'cf_document') }}
