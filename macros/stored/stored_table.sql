{#-
    SQL that makes the two tables of a stored model, with their indexes, where they are missing: the rows that
    readers' views depend on, and beside them, for each row, the ids of the source rows that it is made of.
    The first is never swapped from under the views: columns that the model has no longer are dropped from it, and
    new ones added, for the refresh to fill. Where a view reads a column that would go,
    or that has another type now, that is an error.
-#}
{% macro make_stored_tables(stored) %}
set local search_path = pg_catalog, pg_temp;
set local lock_timeout = '{{ var('deploy_lock_seconds') | int }}s';
do $tables$
declare
    found_columns text;
    wanted_columns text;
    alterations text;
    {%- if stored.is_sharded %}
    elsewhere text;
    {%- endif %}
begin
    {%- if stored.is_sharded %}
    {{- make_partitioned_table(stored) }}
    {%- else %}
    create table if not exists {{ stored.relation }} as
    select {{ stored.column_list }}
    from {{ stored.live }}
    with no data;
    {{- check_is_partitioned(stored, false) }}
    {%- endif %}
    create temporary table wanted_row on commit drop as
    select {{ stored.all_columns | join(', ') }}
    from {{ stored.live }}
    with no data;
    {{ compare_columns(stored.relation, stored.columns) }}
    {%- if stored.is_sharded %}
    {{- check_columns_may_change(stored) }}
    {%- endif %}
    if alterations is not null then
        begin
            execute 'alter table {{ stored.relation }} ' || alterations;
        exception when dependent_objects_still_exist then
            raise exception using
                message = format(
                    '%s was made with other columns than the model has now: %s, not %s',
                    '{{ stored.relation }}', found_columns, wanted_columns
                ),
                hint = 'It was left as it is. To have it recreated, run with stored_facts: false, drop the table, and run as now.';
        end;
    end if;
    {%- for columns in stored.indexes %}
    create index if not exists {{ adapter.quote(stored.relation.identifier ~ '_' ~ ('key' if loop.first else columns | join('_'))) }}
    on {{ stored.relation }} ({{ columns | join(', ') }});
    {%- endfor %}

    {{ make_table_of_ids(stored) }}
end
$tables$;
{% endmacro %}


{#- PL/pgSQL: the table of ids of source rows, which nothing reads but the refresh. -#}
{% macro make_table_of_ids(stored) %}
    if to_regclass('{{ stored.ids }}') is not null then
        {{ compare_columns(stored.ids, stored.ids_columns) }}
        if alterations is not null then
            drop table {{ stored.ids }};
        end if;
    end if;
    create table if not exists {{ stored.ids }} as
    select {{ stored.ids_columns | join(', ') }}
    from {{ stored.live }}
    with no data;
    create index if not exists {{ adapter.quote(stored.ids.identifier ~ '_key') }} on {{ stored.ids }} ({{ stored.key_list }});
{% endmacro %}


{#-
    PL/pgSQL: found_columns and wanted_columns, the columns of a table and those that it should have, with their
    types, and alterations, the clauses of ALTER TABLE that make one of the other; null where there is nothing to do.
    The order of columns is left: everything names them.
-#}
{% macro compare_columns(relation, columns) %}
    with attribute as (
        select
            attname,
            attnum,
            attrelid = '{{ relation }}'::regclass as is_found,
            format_type(atttypid, atttypmod) as type_name
        from pg_catalog.pg_attribute
        where
            attnum > 0
            and not attisdropped
            and (
                attrelid = '{{ relation }}'::regclass
                or attrelid = 'pg_temp.wanted_row'::regclass and attname = any('{ {{- columns | join(', ') -}} }'::name[])
            )
    )

    select
        string_agg(format('%I %s', found.attname, found.type_name), ', ' order by found.attnum)
        filter (where found.attname is not null),
        string_agg(format('%I %s', wanted.attname, wanted.type_name), ', ' order by wanted.attnum)
        filter (where wanted.attname is not null),
        string_agg(
            case
                when wanted.attname is null then format('drop column %I', found.attname)
                when found.attname is null then format('add column %I %s', wanted.attname, wanted.type_name)
                when found.type_name <> wanted.type_name
                    then format('drop column %1$I, add column %1$I %2$s', wanted.attname, wanted.type_name)
            end,
            ', '
        )
    into found_columns, wanted_columns, alterations
    from (select * from attribute where is_found) as found
    full join (select * from attribute where not is_found) as wanted on found.attname = wanted.attname;
{% endmacro %}


{#- PL/pgSQL of a refresh: empties the stored tables and writes every row again, in order. -#}
{% macro rewrite_every_row(stored) %}
        delete from {{ stored.relation }};
        get diagnostics removed = row_count;
        delete from {{ stored.ids }};
        {{ compute_rows(stored) }}
        {{ write_computed_rows(stored) }}
{% endmacro %}


{#- PL/pgSQL: refresh_row, the rows that the model's query gives now; all of them, or those of some students. -#}
{% macro compute_rows(stored, where='') %}
        insert into refresh_row ({{ stored.all_columns | join(', ') }})
        select {{ stored.all_columns | join(', ') }}
        from {{ stored.live }}
        {{ where }};
{% endmacro %}


{#- PL/pgSQL: writes what is in refresh_row into stored tables that have none of it. -#}
{% macro write_computed_rows(stored) %}
        insert into {{ stored.relation }} ({{ stored.column_list }})
        select {{ stored.column_list }}
        from refresh_row
        order by {{ stored.order_list }};
        get diagnostics added = row_count;
        insert into {{ stored.ids }} ({{ stored.ids_columns | join(', ') }})
        select {{ stored.ids_columns | join(', ') }}
        from refresh_row
        order by {{ stored.key_list }};
{% endmacro %}


{#- PL/pgSQL of a refresh: recomputes every row, and removes the stored rows that are not among them. -#}
{% macro recompute_every_row(stored) %}
        {{ compute_rows(stored) }}
        analyze refresh_row;
        {%- if stored.is_sharded %}
        {{- fetch_stored_rows(stored, is_whole=true) }}
        {%- endif %}
        {% for relation, columns in tables_to_compare(stored) %}
        delete from {{ relation }} as stored
        where not exists (
            select
            from refresh_row as recomputed
            where {{ same_row('recomputed', 'stored', stored.key, columns) }}
        );
        get diagnostics removed = row_count;
        {% endfor %}
        {%- if stored.is_sharded %}
        {{- delete_stale_rows(stored) }}
        {%- endif %}
{% endmacro %}


{#- PL/pgSQL of a refresh: the same for the rows of the keys in refresh_key alone, one key at a time, by index. -#}
{% macro recompute_rows_of_keys(stored) %}
        analyze refresh_key;

        insert into refresh_row ({{ stored.all_columns | join(', ') }})
        select
            {{ qualified('live', stored.all_columns) }}
        from (
            select distinct {{ stored.key_list }}
            from refresh_key
        ) as wanted
        cross join lateral (
            select {{ stored.all_columns | join(', ') }}
            from {{ stored.live }} as of_key
            where {{ same_columns('of_key', 'wanted', stored.key) }}
            offset 0
        ) as live;
        analyze refresh_row;
        {%- if stored.is_sharded %}
        {{- find_affected_students(stored) }}
        {{- fetch_stored_rows(stored, is_whole=false) }}
        {%- endif %}
        {% for relation, columns in tables_to_compare(stored) %}
        delete from {{ relation }} as stored
        using (
            select distinct {{ stored.key_list }}
            from refresh_key
        ) as wanted
        where
            {{ same_columns('stored', 'wanted', stored.key) }}
            and not exists (
                select
                from refresh_row as recomputed
                where {{ same_row('recomputed', 'stored', stored.key, columns) }}
            );
        get diagnostics removed = row_count;
        {% endfor %}
        {%- if stored.is_sharded %}
        {{- delete_stale_rows(stored) }}
        {%- endif %}
{% endmacro %}


{#- PL/pgSQL of a refresh: writes the recomputed rows that are not stored as they are. -#}
{% macro write_differences(stored) %}
        {% for relation, columns in tables_to_compare(stored) %}
        insert into {{ relation }} ({{ columns | join(', ') }})
        select {{ columns | join(', ') }}
        from refresh_row as recomputed
        where not exists (
            select
            from {{ relation }} as stored
            where {{ same_row('recomputed', 'stored', stored.key, columns) }}
        )
        order by {{ stored.order_list if not loop.first else stored.key_list }};
        get diagnostics added = row_count;
        {% endfor %}
        {%- if stored.is_sharded %}
        {{- insert_missing_rows(stored) }}
        {%- endif %}
{% endmacro %}


{#- The tables of a stored model that are compared with its query where they lie, with their columns. -#}
{% macro tables_to_compare(stored) -%}
    {{ return([(stored.ids, stored.ids_columns)] + ([] if stored.is_sharded else [(stored.relation, stored.columns)])) }}
{%- endmacro %}
