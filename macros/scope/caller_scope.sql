{#-
    Who is asking, in one row: every organization, or which ones, as far as bindings let the setting through.
    The work is in the function; the view passes on current_user, which a view does not change, and which
    inside a function that runs as its owner would be the owner.

    The table of bindings is named in a condition that never holds. It has row level security, so Postgres plans
    each query on a scoped view again when the role changes, and never runs a plan that was made for another.
-#}
{% macro caller_scope(scope) -%}
select
    is_everyone,
    org_ids,
    is_bound
from {{ internal_schema() }}.{{ scope }}_scope_of(current_user)
where not exists (select from {{ internal_schema() }}.{{ var('scopes')[scope]['binding'] }} where false)
{%- endmacro %}
