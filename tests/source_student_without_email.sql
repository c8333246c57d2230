{{ config(severity='warn', group='catalog') }}
select id
from {{ ref('int_students') }}
where email is null
