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

    Three ways to the same rows, gated by scalar subqueries, so that just one of them runs:
    - narrow, for few people in scope (a school): the people come first and each one's rows are fetched
      by index, whatever the planner thinks of an array of unknown length. Filters go through.
    - wide, for many people or everyone: one pass over the relation. Rows whose person has no
      organization are seen by an unrestricted caller alone, with an empty org_ids.
    - fenced, for a caller whose role is bound: people first, however many, and no filter goes below the
      scope. Postgres lets those through that it knows to be leakproof, such as `=`, and then EXPLAIN
      tells for how many rows of others they hold.
-#}
{% macro scope_to_caller(relation, person, columns, emit_org_ids=true, caller='int_caller_scope', membership='int_person_current_organization', org_type='uuid') -%}
{%- set is_asked_for = 'membership.org_id = any((select caller.org_ids from caller)::' ~ org_type ~ '[])' -%}
with caller as materialized (
    select
        scope.is_everyone,
        scope.org_ids,
        scope.is_bound or {{ is_bound_when_planned() }} as is_fenced,
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

fenced_person as (
    {{ organizations_of_each_person(membership, [
        is_asked_for,
        '(select caller.is_fenced from caller)',
    ]) | indent(4) }}
    {{ half_without_rows(2) }}
    limit all offset 0
),

narrow_person as (
    {{ organizations_of_each_person(membership, [
        is_asked_for,
        '(select not caller.is_fenced and not caller.is_wide from caller)',
    ]) | indent(4) }}
),

wide_person as (
    {{ organizations_of_each_person(membership, [
        '(select not caller.is_fenced and caller.is_wide from caller)',
        '((select caller.is_everyone from caller) or ' ~ is_asked_for ~ ')',
    ]) | indent(4) }}
),

-- a plan that was made for a bound caller, kept, and run by one who may see everybody
everyone_fenced as (
    {{ organizations_of_each_person(membership, [is_bound_when_planned()]) | indent(4) }}
)

{{ rows_of_each_person('fenced_person', relation, person, columns, emit_org_ids, is_fenced=true) }}

union all

{{ rows_of_each_person('narrow_person', relation, person, columns, emit_org_ids, is_fenced=false) }}

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
    not {{ is_bound_when_planned() }}
    and (select not caller.is_fenced and caller.is_wide from caller)
    and (
        wide_person.person_id is not null
        or (select caller.is_everyone from caller)
    )

union all

select
    {%- for column in columns %}
    everybody.{{ column }}{{ ',' if emit_org_ids or not loop.last }}
    {%- endfor %}
    {%- if emit_org_ids %}
    everybody.org_ids
    {%- endif %}
from (
    select
        {%- for column in columns %}
        scoped.{{ column }},
        {%- endfor %}
        coalesce(everyone_fenced.org_ids, '{}'::{{ org_type }}[]) as org_ids
    from {{ relation }} as scoped
    left join everyone_fenced on scoped.{{ person }} = everyone_fenced.person_id
    where {{ is_bound_when_planned() }} and (select caller.is_everyone from caller)
    {{ half_without_rows(columns | length + 1) }}
    limit all offset 0
) as everybody
{%- endmacro %}


{#- The people with a membership that meets all the conditions, each with the organizations of those. -#}
{% macro organizations_of_each_person(membership, conditions) -%}
select
    membership.person_id,
    array_agg(distinct membership.org_id order by membership.org_id) as org_ids
from {{ ref(membership) }} as membership
where
    {{ conditions | join('\n    and ') }}
group by membership.person_id
{%- endmacro %}


{#- The rows of a relation, one person of the CTE `people` after the other. -#}
{% macro rows_of_each_person(people, relation, person, columns, emit_org_ids, is_fenced) -%}
select
    {%- for column in columns %}
    {{ people ~ '.person_id as ' ~ column if column == person else 'person_rows.' ~ column }}{{ ',' if emit_org_ids or not loop.last }}
    {%- endfor %}
    {%- if emit_org_ids %}
    {{ people }}.org_ids
    {%- endif %}
from {{ people }}
cross join lateral (
    select
        {%- for column in columns if column != person %}
        scoped.{{ column }},
        {%- endfor %}
        true as is_row
    from {{ relation }} as scoped
    where scoped.{{ person }} = {{ people }}.person_id
    {{ half_without_rows(columns | reject('equalto', person) | list | length + 1) }}
    {%- if is_fenced %}
    limit all offset 0
    {%- endif %}
) as person_rows
{%- if not is_fenced %}
where not {{ is_bound_when_planned() }}
{%- endif %}
{%- endmacro %}


{#-
    Keeps Postgres from merging a subquery into the one around it and starting from the wrong end; unlike
    OFFSET 0 it lets every filter through. With OFFSET 0 behind it no filter goes through, nor does a look
    at the statistics of what is below, which OFFSET 0 alone would allow.
-#}
{% macro half_without_rows(columns) -%}
union all
    select {{ (['null'] * columns) | join(', ') }}
    where false
{%- endmacro %}


{#-
    Whether the caller is bound, known while a query is planned: for one who is, the ways that let filters
    through are not in the plan at all, so that EXPLAIN shows nothing of what statistics say of others.
    A plan that is kept may outlive a binding or a change of role. It shows each caller their own rows all the
    same: every way asks when it runs, and one made for a bound caller has a fenced way for everybody too.
-#}
{% macro is_bound_when_planned() -%}
{{ internal_schema() }}.is_bound_when_planned()
{%- endmacro %}
