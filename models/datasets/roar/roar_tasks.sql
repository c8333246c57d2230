select
    id,
    name,
    description,
    image,
    registered,
    last_updated
from {{ ref('int_roar_tasks') }}
