select
    identifier as cf_item_id,
    cf_document_id,
    full_statement,
    human_coding_scheme,
    cf_item_type
from {{ source('operational', 'cf_item') }}
