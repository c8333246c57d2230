-- What a scope can name: one row a document, so an id that two collections use has two.
select
    id as org_id,
    'district' as org_type,
    name
from {{ ref('int_roar_districts') }}
union all
select
    id as org_id,
    'school' as org_type,
    name
from {{ ref('int_roar_schools') }}
union all
select
    id as org_id,
    'class' as org_type,
    name
from {{ ref('int_roar_classes') }}
union all
select
    id as org_id,
    'group' as org_type,
    name
from {{ ref('int_roar_groups') }}
union all
select
    id as org_id,
    'family' as org_type,
    name
from {{ ref('int_roar_families') }}
