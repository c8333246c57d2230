{#-
    Stops the run before anything is deployed if the operational database differs from the sources: a schema,
    table or column that is missing, has another type or cannot be read. One error names everything that is
    wrong and where it was looked for. Also reports views that read tables which have been renamed.
-#}
{% macro check_sources() %}
    {%- if execute and flags.WHICH in ('run', 'build', 'test', 'run-operation') -%}
        {%- set sources = graph.sources.values() | selectattr('package_name', 'equalto', project_name) | list -%}
        {%- do check_source_identifiers(sources) -%}
        {%- call statement('source_problems', fetch_result=True) -%}
            {{ source_problems(sources) }}
        {%- endcall -%}
        {%- set problems = load_result('source_problems').table.rows -%}
        {%- if problems -%}
            {%- set lines = [] -%}
            {%- for row in problems -%}
                {%- do lines.append('  ' ~ row['place'] ~ ': ' ~ row['problem']) -%}
            {%- endfor -%}
            {%- do exceptions.raise_compiler_error(
                "The operational database is not what the catalog reads, in " ~ problems | length
                ~ (" places" if problems | length > 1 else " place") ~ ". No view was made or changed.\n"
                ~ "Looked in database " ~ target.dbname ~ " on " ~ target.host ~ ", port " ~ target.port
                ~ ", as " ~ target.user ~ ":\n"
                ~ lines | join('\n')
                ~ "\nTables in another schema: --vars '{source_schema: NAME}'. Tables of other names: --vars "
                ~ "'{source_identifiers: {TABLE: NAME}}'. Columns of other names or types: a schema of views that "
                ~ "rename and cast them, named by source_schema."
            ) -%}
        {%- endif -%}
        {%- do tell_moved_sources() -%}
    {%- endif -%}
{% endmacro %}


{#- Stops if source_identifiers names a table that is not a source: it would rename nothing, without an error. -#}
{% macro check_source_identifiers(sources) %}
    {%- set tables = sources | map(attribute='name') | list -%}
    {%- set unknown = [] -%}
    {%- for table in var('source_identifiers', {}) if table not in tables -%}
        {%- do unknown.append(table) -%}
    {%- endfor -%}
    {%- if unknown -%}
        {%- do exceptions.raise_compiler_error(
            "source_identifiers renames " ~ unknown | sort | join(', ') ~ ", which the catalog does not read. No view was made or "
            ~ "changed.\nTables that it reads: " ~ tables | sort | join(', ')
        ) -%}
    {%- endif -%}
{% endmacro %}


{#- A row for each thing that is wrong. -#}
{% macro source_problems(sources) %}
with expected (schema_name, table_name, column_name, data_type) as (
    values
    {{ expected_columns(sources) | join(',\n    ') }}
),

found as (
    {{ expected_columns_found() | indent(4) }}
),

judged as (
    select
        schema_name,
        table_name,
        column_name,
        schema_oid,
        table_oid,
        column_number,
        data_type,
        format_type(type_oid, null) as found_type,
        {{ has_expected_type() | indent(8) }} as has_type,
        coalesce(has_column_privilege(table_oid, column_number, 'select'), false) as is_readable,
        bool_or(has_column_privilege(table_oid, column_number, 'select')) over (
            partition by schema_name, table_name
        ) as is_table_readable
    from found
),

problem as (
    select
        0 as place_order,
        schema_name,
        null as table_name,
        case when schema_oid is null then 'schema is missing' else 'schema may not be used by ' || current_user end as problem
    from judged
    where schema_oid is null or not has_schema_privilege(schema_oid, 'usage')
    union
    select
        1,
        schema_name,
        table_name,
        case
            when table_oid is null then 'table is missing'
            when column_number is null then 'column ' || column_name || ' is missing'
            when not is_table_readable then 'table may not be read by ' || current_user
            when not is_readable then 'column ' || column_name || ' may not be read by ' || current_user
            else 'column ' || column_name || ' is ' || found_type || ', not ' || data_type
        end
    from judged
    where schema_oid is not null and (not is_readable or not has_type)
)

select
    concat_ws('.', schema_name, table_name) as place,
    problem
from problem
order by place_order, schema_name, table_name, problem
{% endmacro %}


{#- A list of rows for `values`, one for each column of the sources: its schema, table, name and data type. -#}
{% macro expected_columns(sources) %}
    {%- set expected = [] -%}
    {%- for source in sources -%}
        {%- for column in source.columns.values() -%}
            {%- set values = [] -%}
            {%- for value in [source.schema, source.identifier, column.name, column.data_type] -%}
                {%- do values.append(dbt.string_literal(dbt.escape_single_quotes(value))) -%}
            {%- endfor -%}
            {%- do expected.append("(" ~ values | join(", ") ~ ")") -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(expected) }}
{% endmacro %}


{#- Select of each row of `expected` with what the database has of that name: the schema, the table, the column, its type. -#}
{% macro expected_columns_found() -%}
select
    expected.*,
    pg_namespace.oid as schema_oid,
    pg_class.oid as table_oid,
    pg_attribute.attnum as column_number,
    pg_type.typname as type_name,
    coalesce(nullif(pg_type.typbasetype, 0), pg_type.oid) as type_oid
from expected
left join pg_catalog.pg_namespace on expected.schema_name = pg_namespace.nspname
left join pg_catalog.pg_class
    on
        pg_namespace.oid = pg_class.relnamespace
        and expected.table_name = pg_class.relname
        and pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
left join pg_catalog.pg_attribute
    on
        pg_class.oid = pg_attribute.attrelid
        and expected.column_name = pg_attribute.attname
        and pg_attribute.attnum > 0
        and not pg_attribute.attisdropped
left join pg_catalog.pg_type on pg_attribute.atttypid = pg_type.oid
{%- endmacro %}


{#-
    Condition: whether a row of `found` has the data type that is expected. Types are compared exactly, because a
    contract or a rule breaks on nearly every other one (a timestamp without a zone would even give wrong dates
    without an error); varchar and char may take the place of text, and any of the three that of citext.
-#}
{% macro has_expected_type() -%}
coalesce(
    type_oid = to_regtype(data_type)
    or type_name = data_type
    or data_type in ('text', 'citext') and type_oid in (
        'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype
    ),
    false
)
{%- endmacro %}
