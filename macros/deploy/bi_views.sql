{#-
    Each dataset a second time, in types that every tool can read, in a schema of its own: that of the datasets with
    _bi behind it. QuickSight skips columns of uuid, arrays, citext, json and timestamptz; other tools fail on them.

    The dataset's own query stands in the view, below the casts. Over the published view the casts would keep every
    filter out of it: text made of a uuid is not leakproof, so no filter on it passes a security barrier.
    The top of the view is a plain select, so Postgres does not merge it into the query around it.
-#}
{% macro bi_view(sql) -%}
    select
        {%- for column in model.columns.values() %}
        {{ bi_column('dataset', column) }} as {{ column.name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        {{ sql }}
    ) as dataset
{%- endmacro %}


{#-
    SQL expression: a column in a type that every tool knows. Ids and JSON are text, an array its elements with commas
    between them, numeric is double precision, a time with zone the time in UTC without one.
-#}
{% macro bi_column(relation, column) -%}
    {%- set value = relation ~ '.' ~ column.name -%}
    {%- set data_type = (column.data_type or '') | lower -%}
    {%- if data_type.endswith('[]') -%}
        pg_catalog.array_to_string({{ value }}, ',')
    {%- elif data_type in ('uuid', 'citext', 'json', 'jsonb') -%}
        {{ value }}::text
    {%- elif data_type.startswith('numeric') -%}
        {{ value }}::double precision
    {%- elif data_type in ('timestamptz', 'timestamp with time zone') -%}
        {{ value }} at time zone 'UTC'
    {%- else -%}
        {{ value }}
    {%- endif -%}
{%- endmacro %}


{#- Whether there are such views: on the embedded target, and where --vars 'bi_views: true' asks for them. -#}
{% macro has_bi_views() -%}
    {{ return(var('bi_views', target.name == 'embedded') | string | lower == 'true') }}
{%- endmacro %}


{#- The relation of a dataset's view in types for every tool. -#}
{% macro bi_relation(relation) -%}
    {{ return(api.Relation.create(
        database=relation.database, schema=generate_schema_name('bi', none), identifier=relation.identifier, type='view'
    )) }}
{%- endmacro %}


{#- SQL: (schema, name) of every view that the project makes, with commas between them. Asked twice for each view made. -#}
{% macro names_of_our_views() -%}
    {%- set bi_schema = generate_schema_name('bi', none) if has_bi_views() else none -%}
    {%- set names = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- do names.append((node.schema, node.alias)) -%}
        {%- if bi_schema and node.schema == target.schema -%}
            {%- do names.append((bi_schema, node.alias)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for schema, name in names -%}
        ('{{ schema }}', '{{ name }}'){{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
