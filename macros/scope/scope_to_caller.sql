{#-
    The one way from a model to a scoped dataset: the rows of `relation` whose person has a current
    organization within the caller's scope, with org_ids, the intersection, behind `columns`.

    relation:     a ref() to a model with one column for the person and one for each of `columns`
    person:       the name of the relation's column that holds the person's id
    columns:      the names of the published columns, in the documented order, without org_ids
    emit_org_ids: false for a dataset that is filtered by organization but shows no org_ids
    caller:       the name of the model that says who is asking
    membership:   the name of the model of a person's current organizations
    org_type:     the type of an organization's id

    Few people in scope (a school): the people come first and each one's rows are fetched by index,
    whatever the planner thinks of an array of unknown length. Many, or everyone: one pass over the
    relation. Each half is gated by a scalar subquery, so that just one of them runs. Rows whose
    person has no organization are seen by an unrestricted caller alone, with an empty org_ids.
-#}
{% macro scope_to_caller(relation, person, columns, emit_org_ids=true, caller='int_caller_scope', membership='int_person_current_organization', org_type='uuid') -%}
with caller as materialized (
    select
        scope.is_everyone,
        scope.org_ids,
        scope.is_everyone or people_in_scope.is_many as is_wide
    from {{ ref(caller) }} as scope
    cross join lateral (
        select count(*) > {{ var('narrow_scope_limit') }} as is_many
        from (
            select membership.person_id
            from {{ ref(membership) }} as membership
            where membership.org_id = any(scope.org_ids)
            limit {{ var('narrow_scope_limit') | int + 1 }}
        ) as counted
    ) as people_in_scope
),

narrow_person as (
    select
        membership.person_id,
        array_agg(distinct membership.org_id order by membership.org_id) as org_ids
    from {{ ref(membership) }} as membership
    where
        membership.org_id = any((select caller.org_ids from caller)::{{ org_type }}[])
        and not (select caller.is_wide from caller)
    group by membership.person_id
),

wide_person as (
    select
        membership.person_id,
        array_agg(distinct membership.org_id order by membership.org_id) as org_ids
    from {{ ref(membership) }} as membership
    where
        (select caller.is_wide from caller)
        and (
            (select caller.is_everyone from caller)
            or membership.org_id = any((select caller.org_ids from caller)::{{ org_type }}[])
        )
    group by membership.person_id
)

select
    {%- for column in columns %}
    {{ 'narrow_person.person_id as ' ~ column if column == person else 'person_rows.' ~ column }}{{ ',' if emit_org_ids or not loop.last }}
    {%- endfor %}
    {%- if emit_org_ids %}
    narrow_person.org_ids
    {%- endif %}
from narrow_person
cross join lateral (
    select
        {%- for column in columns if column != person %}
        scoped.{{ column }},
        {%- endfor %}
        true as is_row
    from {{ relation }} as scoped
    where scoped.{{ person }} = narrow_person.person_id

    -- a half without rows, as a fence: it keeps Postgres from merging this subquery into the outer
    -- one and starting from the wrong end, and unlike OFFSET 0 it lets every filter through
    union all

    select
        {%- for column in columns if column != person %}
        null,
        {%- endfor %}
        null
    where false
) as person_rows

union all

select
    {%- for column in columns %}
    scoped.{{ column }}{{ ',' if emit_org_ids or not loop.last }}
    {%- endfor %}
    {%- if emit_org_ids %}
    coalesce(wide_person.org_ids, '{}'::{{ org_type }}[]) as org_ids
    {%- endif %}
from {{ relation }} as scoped
left join wide_person on scoped.{{ person }} = wide_person.person_id
where
    (select caller.is_wide from caller)
    and (
        wide_person.person_id is not null
        or (select caller.is_everyone from caller)
    )
{%- endmacro %}
