{#-
    The one way from a model to a scoped dataset: the rows of `relation` whose person has a current
    organization within the caller's scope, with org_ids, the intersection, behind `columns`.

    relation: a ref() to a model with one column for the person and one for each of `columns`
    person:   the name of the relation's column that holds the person's id
    columns:  the names of the published columns, in the documented order, without org_ids
    emit_org_ids: false for a dataset that is filtered by organization but shows no org_ids

    Few people in scope (a school): the people come first and each one's rows are fetched by index.
    Many, or everyone: one pass over the relation. Each half is gated by a scalar subquery, so that
    just one of them runs. Rows whose person has no organization are seen by an unrestricted caller
    alone, with an empty org_ids.
-#}
{% macro scope_to_caller(relation, person, columns, emit_org_ids=true) -%}
with caller as materialized (
    select
        is_everyone,
        org_ids
    from {{ ref('int_caller_scope') }}
),

caller_breadth as materialized (
    select
        caller.is_everyone,
        caller.is_everyone or people_in_scope.is_many as is_wide
    from caller
    cross join lateral (
        select count(*) > {{ var('narrow_scope_limit', 2000) }} as is_many
        from (
            select membership.person_id
            from {{ ref('int_person_current_organization') }} as membership
            where membership.org_id = any((select caller_list.org_ids from caller as caller_list)::uuid[])
            limit {{ var('narrow_scope_limit', 2000) + 1 }}
        ) as counted
    ) as people_in_scope
),

narrow_person as (
    select
        membership.person_id,
        array_agg(distinct membership.org_id order by membership.org_id) as org_ids
    from {{ ref('int_person_current_organization') }} as membership
    where
        membership.org_id = any((select caller.org_ids from caller)::uuid[])
        and not (select caller_breadth.is_wide from caller_breadth)
    group by membership.person_id
),

wide_person as (
    select
        membership.person_id,
        array_agg(distinct membership.org_id order by membership.org_id) as org_ids
    from {{ ref('int_person_current_organization') }} as membership
    where
        (select caller_breadth.is_wide from caller_breadth)
        and (
            (select caller_breadth.is_everyone from caller_breadth)
            or membership.org_id = any((select caller.org_ids from caller)::uuid[])
        )
    group by membership.person_id
)

select
    {%- for column in columns %}
    {% if column == person %}narrow_person.person_id as {{ column }}{% else %}person_rows.{{ column }}{% endif %}{{ ',' if emit_org_ids or not loop.last }}
    {%- endfor %}
    {%- if emit_org_ids %}
    narrow_person.org_ids
    {%- endif %}
from narrow_person
cross join lateral (
    select
        {%- for column in columns if column != person %}
        scoped.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }} as scoped
    where scoped.{{ person }} = narrow_person.person_id
    offset 0
) as person_rows

union all

select
    {%- for column in columns %}
    scoped.{{ column }}{{ ',' if emit_org_ids or not loop.last }}
    {%- endfor %}
    {%- if emit_org_ids %}
    coalesce(wide_person.org_ids, '{}'::uuid[]) as org_ids
    {%- endif %}
from {{ relation }} as scoped
left join wide_person on scoped.{{ person }} = wide_person.person_id
where
    (select caller_breadth.is_wide from caller_breadth)
    and (
        wide_person.person_id is not null
        or (select caller_breadth.is_everyone from caller_breadth)
    )
{%- endmacro %}
