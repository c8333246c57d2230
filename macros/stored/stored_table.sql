{#-
    PL/pgSQL of a refresh: makes the stored table and its index where they are missing, and the temporary
    table refresh_row, of the same columns, for recomputed rows. A table that has other columns than the
    model has now is an error: views stand on it, so it is not swapped from under them.
-#}
{% macro make_stored_table(stored, sql) %}
    create table if not exists {{ stored.relation }} as
    {{ sql }}
    with no data;
    create index if not exists {{ adapter.quote(stored.relation.identifier ~ '_key') }} on {{ stored.relation }} ({{ stored.key_list }});
    create temporary table refresh_row on commit drop as
    {{ sql }}
    with no data;

    select
        string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
        filter (where attrelid = '{{ stored.relation }}'::regclass),
        string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
        filter (where attrelid = 'pg_temp.refresh_row'::regclass)
    into found_columns, wanted_columns
    from pg_catalog.pg_attribute
    where attrelid in ('{{ stored.relation }}'::regclass, 'pg_temp.refresh_row'::regclass) and attnum > 0 and not attisdropped;
    if found_columns <> wanted_columns then
        raise exception using
            message = format(
                '%s was made with other columns than the model has now: %s, not %s',
                '{{ stored.relation }}', found_columns, wanted_columns
            ),
            hint = 'It was left as it is. To have it recreated, run with stored_facts: false, drop the table, and run as now.';
    end if;
{% endmacro %}


{#- PL/pgSQL of a refresh: empties the stored table and writes every row again, in order. -#}
{% macro rewrite_every_row(stored) %}
        delete from {{ stored.relation }};
        get diagnostics removed = row_count;
        insert into {{ stored.relation }} ({{ stored.column_list }})
        select {{ stored.column_list }}
        from {{ stored.live }}
        order by {{ stored.key_list }};
        get diagnostics added = row_count;
{% endmacro %}


{#- PL/pgSQL of a refresh: recomputes every row, and removes the stored rows that are not among them. -#}
{% macro recompute_every_row(stored) %}
        insert into refresh_row ({{ stored.column_list }})
        select {{ stored.column_list }}
        from {{ stored.live }};
        analyze refresh_row;

        delete from {{ stored.relation }} as stored
        where not exists (
            select
            from refresh_row as recomputed
            where {{ stored.same_row }}
        );
        get diagnostics removed = row_count;
{% endmacro %}


{#- PL/pgSQL of a refresh: the same for the rows of the keys in refresh_key alone, one key at a time, by index. -#}
{% macro recompute_rows_of_keys(stored) %}
        analyze refresh_key;

        insert into refresh_row ({{ stored.column_list }})
        select
            {{ qualified('live', stored.columns) }}
        from (
            select distinct {{ stored.key_list }}
            from refresh_key
        ) as wanted
        cross join lateral (
            select {{ stored.column_list }}
            from {{ stored.live }} as of_key
            where {{ same_columns('of_key', 'wanted', stored.key) }}
            offset 0
        ) as live;
        analyze refresh_row;

        delete from {{ stored.relation }} as stored
        using (
            select distinct {{ stored.key_list }}
            from refresh_key
        ) as wanted
        where
            {{ same_columns('stored', 'wanted', stored.key) }}
            and not exists (
                select
                from refresh_row as recomputed
                where {{ stored.same_row }}
            );
        get diagnostics removed = row_count;
{% endmacro %}


{#- PL/pgSQL of a refresh: writes the recomputed rows that are not stored as they are. -#}
{% macro write_differences(stored) %}
        insert into {{ stored.relation }} ({{ stored.column_list }})
        select {{ stored.column_list }}
        from refresh_row as recomputed
        where not exists (
            select
            from {{ stored.relation }} as stored
            where {{ stored.same_row }}
        )
        order by {{ stored.key_list }};
        get diagnostics added = row_count;
{% endmacro %}
