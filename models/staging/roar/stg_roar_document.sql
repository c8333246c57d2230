-- The expressions are those of the indexes of roar_document: each is served by them as it is written.
select
    path,
    data,
    update_time,
    split_part(path collate "C", '/', 1) as collection_1,
    split_part(path collate "C", '/', 2) as id_1,
    split_part(path collate "C", '/', 3) as collection_2,
    split_part(path collate "C", '/', 4) as id_2,
    split_part(path collate "C", '/', 5) as collection_3,
    split_part(path collate "C", '/', 6) as id_3,
    split_part(path collate "C", '/', 7) as collection_4,
    path collate "C" ~ '^[^/]+/[^/]+(?:/[^/]+/[^/]+)*$' as is_document_path
from {{ source('operational', 'roar_document') }}
