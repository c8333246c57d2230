{#-
    The scope over stored facts that lie on other servers. There, a node is sent one query for all people in scope, with
    their ids as an array, and a query on one person goes to that person's node alone.

    A bound role's filter on the person may go through, and no other one: the window function's partition by lets
    filters on its own column through and fences all others, and is not run, since nobody reads it. Such a filter
    tells nothing: this server has no statistics of foreign tables. It has some of partitions that are still here, so
    that, until the last one is moved, a bound role goes to each person's rows (the way `fenced`), which is a query a person.
-#}

{#- The stored models on other servers that a relation reads, by name; none without the dbt var stored_servers. -#}
{% macro sharded_below(relation) -%}
    {%- set found = [] -%}
    {%- if execute and var('stored_servers', []) -%}
        {%- set reached = [] -%}
        {%- set left = [relation.identifier] -%}
        {#- Jinja has no while: as many rounds as there are models -#}
        {%- for _ in graph.nodes if left -%}
            {%- set name = left.pop() -%}
            {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == name and name not in reached -%}
                {%- do reached.append(name) -%}
                {%- if node.config.materialized == 'incremental' -%}
                    {%- if is_sharded(node.config.meta) -%}
                        {%- do found.append(name) -%}
                    {%- endif -%}
                {%- else -%}
                    {%- for parent in node.depends_on.nodes if parent.startswith('model.') -%}
                        {%- do left.append(parent.split('.')[-1]) -%}
                    {%- endfor -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found | sort) }}
{%- endmacro %}


{#- The people of the caller's organizations joined to their rows, for which their ids are sent as one array. -#}
{% macro rows_at_once(relation, person, people, columns, is_fenced=false) -%}
{%- set person_type = scope_of(people)['person_type'] -%}
{%- set of_rows = [person] + (columns | reject('in', [person, 'org_ids']) | list) -%}
with people as (
    {{ people_in_scope(people) }}
)

select
    {%- for column in columns %}
    {{ 'people.org_ids' if column == 'org_ids' else 'person_rows.' ~ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from people
inner join (
    select
        {%- for column in of_rows %}
        scoped.{{ column }}{{ ',' if not loop.last or is_fenced }}
        {%- endfor %}
        {%- if is_fenced %}
        count(*) over (partition by scoped.{{ person }}) as fence
        {%- endif %}
    from (
        select
            {%- for column in of_rows %}
            of_people.{{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ relation }} as of_people
        where of_people.{{ person }} = any((select array_agg(people.person_id) from people)::{{ person_type }}[])
        {%- if is_fenced %}
        union all
        select {{ (['null'] * (of_rows | length)) | join(', ') }}
        where false
        {%- endif %}
    ) as scoped
) as person_rows on people.person_id = person_rows.{{ person }}
{%- endmacro %}


{#- SQL condition, known while a query is planned: all partitions of these stored tables are on other servers. -#}
{% macro are_on_servers_when_planned(models) -%}
{{ internal_schema() }}.are_on_servers_when_planned(array[{% for name in models %}{{ dbt.string_literal(name) }}{{ ', ' if not loop.last }}{% endfor %}])
{%- endmacro %}


{#-
    It claims to be immutable, so that a plan has one way alone. Postgres plans again when a partition is moved, which
    is a change of the table that the plan reads.
-#}
{% macro create_on_servers_function() %}
    {%- set body %}
    begin
        return not exists (
            select from pg_catalog.pg_inherits
            inner join pg_catalog.pg_class as parent on pg_inherits.inhparent = parent.oid
            inner join pg_catalog.pg_class as leaf on pg_inherits.inhrelid = leaf.oid
            where
                parent.relnamespace = {{ dbt.string_literal(internal_schema()) }}::regnamespace
                and parent.relname = any(stored_tables)
                and leaf.relkind <> 'f'
        );
    end
    {% endset -%}
    {{ create_function('are_on_servers_when_planned', 'text[]', 'stored_tables text[]', 'boolean', 'immutable', body) }}
{% endmacro %}
