{{ config(severity='warn', group='catalog') }}
select id
from {{ ref('int_student') }}
where email is null
