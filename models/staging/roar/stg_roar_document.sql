-- The expressions are those of the indexes of roar_document, which serve them as they are written and keep
-- the statistics that plans are made by. One expression says the collection, malformed paths left out: a
-- condition on each part of the path would make Postgres expect a single row of a million.
select
    path,
    data,
    update_time,
    case
        when path collate "C" ~ '^[^/]+/[^/]+(?:/[^/]+/[^/]+)*$'
            then rtrim(
                split_part(path collate "C", '/', 1)
                || '/' || split_part(path collate "C", '/', 3)
                || '/' || split_part(path collate "C", '/', 5)
                || '/' || split_part(path collate "C", '/', 7),
                '/'
            )
    end as collection,
    split_part(path collate "C", '/', 2) as id_1,
    split_part(path collate "C", '/', 4) as id_2,
    split_part(path collate "C", '/', 6) as id_3
from {{ source('operational', 'roar_document') }}
