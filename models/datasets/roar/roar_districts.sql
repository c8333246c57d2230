select
    id,
    name,
    abbreviation,
    formatted_address,
    address_name,
    google_maps_url,
    google_places_id,
    address_components,
    school_ids
from {{ ref('int_roar_districts') }}
