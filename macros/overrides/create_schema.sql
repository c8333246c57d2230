{#-
    dbt makes missing schemas before any hook of ours runs, so what a deploying role must be allowed is looked at here,
    and said in a sentence.
-#}
{% macro postgres__create_schema(relation) -%}
    {%- do check_is_writable() -%}
    {%- set may_create = run_query("select pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create')").columns[0].values()[0] -%}
    {%- if not may_create -%}
        {%- set schemas = [] -%}
        {%- for name in [target.schema, generate_schema_name('internal', none)] + schemas_of_readers()[1:] -%}
            {%- do schemas.append("create schema if not exists " ~ adapter.quote(name) ~ " authorization " ~ adapter.quote(target.user) ~ ";") -%}
        {%- endfor -%}
        {%- do exceptions.raise_compiler_error(
            "Schema " ~ relation.schema ~ " is missing and " ~ target.user ~ " may not create schemas in database "
            ~ target.dbname ~ ". Nothing was made. Ask an administrator for: " ~ schemas | join(' ')
        ) -%}
    {%- endif -%}
    {%- call statement('create_schema') -%}
        create schema if not exists {{ relation.without_identifier().include(database=false) }}
    {%- endcall -%}
{%- endmacro %}


{#- Stops a run on a server that takes no writes, before its first statement fails for it. -#}
{% macro check_is_writable() -%}
    {%- if execute and flags.WHICH in ('run', 'build', 'seed') -%}
        {%- set state = run_query("select pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')").rows[0] -%}
        {%- if state[0] or state[1] == 'on' -%}
            {%- do exceptions.raise_compiler_error(
                "The server " ~ target.host ~ " takes no writes: it is "
                ~ ("a standby. Deploy on its primary; the standby follows." if state[0]
                else "read-only (default_transaction_read_only). Deploy as a role, or at a time, that may write.")
                ~ " Nothing was made."
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
