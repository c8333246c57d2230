-- What a scope can name: one row a document, so an id that two collections use has two.
select
    id as org_id,
    'district' as org_type,
    name
from {{ ref('int_roar_district') }}
union all
select
    id as org_id,
    'school' as org_type,
    name
from {{ ref('int_roar_school') }}
union all
select
    id as org_id,
    'class' as org_type,
    name
from {{ ref('int_roar_class') }}
union all
select
    id as org_id,
    'group' as org_type,
    name
from {{ ref('int_roar_group') }}
union all
select
    id as org_id,
    'family' as org_type,
    name
from {{ ref('int_roar_family') }}
