{#-
    A scoped dataset: the rows of `relation` whose person has a current organization within the caller's
    scope. The columns are those of the model's own YAML, in their order; org_ids, where it is one of them,
    is the person's current organizations within the scope.

    relation:  a ref() to a model with a column for the person and one for each published column
    person:    the column of it that holds the person's id
    people:    which people these are; var `scopes` in dbt_project.yml knows their scope and memberships
    grouped:   true where the relation is grouped or made distinct by person. Postgres cannot pass a join
               through a GROUP BY, so such rows are asked for one person at a time.
    of_few:    a ref() to the same rows in a form that costs less for few people; otherwise relation itself
    wide_from: from which share of the platform's people on one pass over the relation costs less than going
               to each person's rows. Measured by `make bench`; it decides speed, never rows.

    Which way, for whom, and what it costs:

    | caller                           | way                                        | cost grows with       |
    | -------------------------------- | ------------------------------------------ | --------------------- |
    | bound role                       | fenced: its people, then each one's rows,  | people in scope       |
    |                                  | then the caller's filters                  |                       |
    | unbound, share below wide_from   | narrow: a plain join of people and rows;   | people in scope, or   |
    |                                  | Postgres begins where a filter is best     | what a filter leaves  |
    | unbound, share of wide_from or   | wide: one pass over the rows, each one's   | the whole relation,   |
    | more, and `*`                    | organizations from a map of all in scope   | or what a filter leaves |

    A plan has what its caller may need. That of a bound role has the fenced way alone: is_bound_when_planned is
    answered by the planner. Others' plans have the narrow way, and the wide one beside it for who may ask for
    everybody or lists several organizations (has_wide_way_when_planned); what is asked for when the plan runs
    decides between them. Postgres plans again when the role changes, since the caller model reads a table with
    row level security; a plan that outlives a binding all the same shows no row that it should not.

    The view must keep its WITH. Without WITH, LIMIT or ORDER BY at its top, Postgres flattens a UNION ALL
    into the query around it, and the security barrier is gone. `timeback audit` looks for such views.
-#}
{% macro scoped(relation, person, people='person', grouped=false, of_few=none, wide_from=0.25) -%}
{%- set scope = scope_of(people) -%}
{%- set columns = model.columns.keys() | list -%}
{%- set rows_of_few = of_few or relation -%}
{%- set on_servers = sharded_below(rows_of_few) -%}
with caller as materialized (
    select
        scope.is_everyone,
        scope.org_ids
    from {{ ref(scope.caller) }} as scope
),

breadth as materialized (
    select
        case
            when {{ has_wide_way_when_planned(scope) }}
                then
                    caller.is_everyone
                    or {{ internal_schema() }}.{{ people }}_scope_is_wide(caller.org_ids, {{ wide_from }})
            -- a plan that is older than the right to see everybody, whose narrow way would show nobody
            when caller.is_everyone then {{ internal_schema() }}.refuse_plan_without_wide_way()
            else false
        end as is_wide
    from caller
)

{{ way('fenced', rows_by_person(rows_of_few, person, people, columns, is_fenced=true), columns) }}
where {{ is_bound_when_planned() }}
{%- if on_servers %}
    and not {{ are_on_servers_when_planned(on_servers) }}

union all

{{ way('fenced', rows_at_once(rows_of_few, person, people, columns, is_fenced=true), columns) }}
where {{ is_bound_when_planned() }} and {{ are_on_servers_when_planned(on_servers) }}
{%- endif %}

union all

{{ way('narrow', narrow_rows(rows_of_few, person, people, columns, grouped, on_servers), columns) }}
where not {{ is_bound_when_planned() }}

union all

{{ way('wide', wide_rows(relation, person, scope, columns), columns) }}
where
    not {{ is_bound_when_planned() }}
    and {{ has_wide_way_when_planned(scope) }}
{%- endmacro %}


{#-
    One of the ways, in a subquery of its own. Since its query begins with WITH, Postgres does not merge it into
    the view: a condition outside that is false when the query is planned takes it out before anything of it is
    planned, and filters still go through it.
-#}
{% macro way(name, query, columns) -%}
select
    {%- for column in columns %}
    {{ name }}.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from (
    {{ query | indent(4) }}
) as {{ name }}
{%- endmacro %}


{#- The people of the caller's organizations joined to their rows, in whatever order costs least. -#}
{% macro narrow_rows(relation, person, people, columns, grouped, on_servers=[]) -%}
{%- if on_servers -%}
{{ rows_at_once(relation, person, people, columns) }}
{%- elif grouped -%}
{{ rows_by_person(relation, person, people, columns) }}
{%- else -%}
with people as (
    {{ people_in_scope(people) }}
)

select
    {%- for column in columns %}
    {{ 'people.person_id as ' ~ column if column == person else 'people.org_ids' if column == 'org_ids' else 'scoped.' ~ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from people
inner join {{ relation }} as scoped on people.person_id = scoped.{{ person }}
{%- endif %}
where not (select breadth.is_wide from breadth)
{%- endmacro %}


{#- One pass over the rows, each with its person's organizations from a map of all in scope. -#}
{% macro wide_rows(relation, person, scope, columns) -%}
with wide_person as (
    select
        membership.person_id,
        array_agg(distinct membership.org_id order by membership.org_id) as org_ids
    from {{ ref(scope.membership) }} as membership
    where
        (select caller.is_everyone from caller)
        or membership.org_id = any((select caller.org_ids from caller)::{{ scope.org_type }}[])
    group by membership.person_id
)

select
    {%- for column in columns %}
    {{ "coalesce(wide_person.org_ids, '{}'::" ~ scope.org_type ~ "[]) as org_ids" if column == 'org_ids' else 'scoped.' ~ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ relation }} as scoped
left join wide_person on scoped.{{ person }} = wide_person.person_id
where
    (select breadth.is_wide from breadth)
    and (
        wide_person.person_id is not null
        -- rows of people without an organization are for those who may see everybody
        or (select caller.is_everyone from caller)
    )
{%- endmacro %}


{#-
    The people of the caller's organizations, and each one's rows. The empty half keeps Postgres from merging
    the subquery into the query around it and beginning at the wrong end; filters go through it. Behind
    OFFSET 0 no filter goes through, nor a look at the statistics of what is below: the fence of a bound
    role. OFFSET 0 without the empty half would allow that look.
-#}
{% macro rows_by_person(relation, person, people, columns, is_fenced=false) -%}
{%- set of_rows = columns | reject('in', [person, 'org_ids']) | list -%}
with people as (
    {{ people_in_scope(people) }}
)

select
    {%- for column in columns %}
    {{ 'people.person_id as ' ~ column if column == person else 'people.org_ids' if column == 'org_ids' else 'person_rows.' ~ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from people
cross join lateral (
    select
        {%- for column in of_rows %}
        scoped.{{ column }},
        {%- endfor %}
        true as is_row
    from {{ relation }} as scoped
    where scoped.{{ person }} = people.person_id
    union all
    select {{ (['null'] * (of_rows | length + 1)) | join(', ') }}
    where false
    {%- if is_fenced %}
    limit all offset 0
    {%- endif %}
) as person_rows
{%- endmacro %}


{#- The people of the caller's organizations with those organizations, by a function that is planned once a session. -#}
{% macro people_in_scope(people) -%}
select
    in_scope.person_id,
    in_scope.org_ids
from {{ internal_schema() }}.{{ people }}_in_scope((select caller.org_ids from caller)) as in_scope
{%- endmacro %}


{#-
    Whether the caller is bound, known while a query is planned: for one who is, the ways that let filters
    through are not in the plan at all, so that EXPLAIN shows nothing of what statistics say of others.
-#}
{% macro is_bound_when_planned() -%}
{{ internal_schema() }}.is_bound_when_planned()
{%- endmacro %}


{#-
    Whether the wide way is in the plan, known while a query is planned: for who may see everybody it always is,
    for others when their setting lists more than one organization. A plan without it is half as much to plan.
    A plan that is kept and run with a longer list goes the narrow way, which shows the same rows.
-#}
{% macro has_wide_way_when_planned(scope) -%}
{{ internal_schema() }}.{{ scope.name }}_has_wide_way_when_planned()
{%- endmacro %}
