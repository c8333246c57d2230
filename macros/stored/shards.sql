{#-
    Stored facts on other servers: with the dbt var stored_servers, a stored table is partitioned by hash of the student,
    and its partitions may be foreign tables on the servers that the var names (`timeback shards` puts them there).
    What a refresh needs beside the rows, the ids of what they are made of, stays here.

    A node is asked for the rows of the students that are affected, once in a refresh; what differs is computed
    here, and goes back as one DELETE a partition, by the place of each row, and as inserts in batches.

    There is no commit of several servers together. A refresh that fails between two of them leaves one ahead of the
    others, with rows that nothing here knows of. So each node holds a mark of the last refresh that wrote to it, which
    is committed with its rows, and this server the same mark, committed with its own notes. Where the two differ, the
    next refresh recomputes every row and compares it with what is stored. That also finds a node that was restored
    from an older copy.
-#}

{#- Whether a stored model is partitioned: where servers are named, all but those that other stored models are made from. -#}
{% macro is_sharded(meta) -%}
    {{ return(var('stored_servers', []) | length > 0 and not meta.get('stays_on_front', false)) }}
{%- endmacro %}


{#- PL/pgSQL: makes the partitioned table of a stored model with its partitions, all of them here, unless it is there. -#}
{% macro make_partitioned_table(stored) %}
    {%- set count = var('stored_partitions', 8) | int %}
    if to_regclass('{{ stored.relation }}') is null then
        create temporary table shard_shape on commit drop as
        select {{ stored.column_list }}
        from {{ stored.live }}
        with no data;
        create table {{ stored.relation }} (like shard_shape) partition by hash (student_id);
        {%- for name in stored.columns %}
        -- nobody collects statistics of rows that lie elsewhere, which a plan would show
        alter table only {{ stored.relation }} alter column {{ name }} set statistics 0;
        {%- endfor %}
        {%- for number in range(count) %}
        create table {{ stored.relation.incorporate(path={'identifier': stored.relation.identifier ~ '_p' ~ number}) }}
        partition of {{ stored.relation }} for values with (modulus {{ count }}, remainder {{ number }});
        {%- endfor %}
    end if;
    {{ check_is_partitioned(stored, true) }}
    select string_agg(distinct foreign_server, ', ')
    into elsewhere
    from (
        {{ servers_of_partitions(stored) }}
    ) as used (foreign_server)
    where foreign_server <> all(array[{% for name in var('stored_servers') %}{{ dbt.string_literal(name) }}{{ ', ' if not loop.last }}{% endfor %}]);
    if elsewhere is not null then
        raise exception using
            message = format('partitions of %s are on servers that the variable stored_servers does not name: %s', '{{ stored.relation }}', elsewhere),
            hint = 'Name them there, or move the partitions: `timeback shards move`.';
    end if;
    select string_agg(wanted.name, ', ')
    into elsewhere
    from unnest(array[{% for name in var('stored_servers') %}{{ dbt.string_literal(name) }}{{ ', ' if not loop.last }}{% endfor %}]) as wanted (name)
    where wanted.name not in (select srvname from pg_catalog.pg_foreign_server);
    if elsewhere is not null then
        raise exception using
            message = format('the variable stored_servers names servers that this database does not know: %s', elsewhere),
            hint = '`timeback shards add` makes a server known.';
    end if;
{% endmacro %}


{#- PL/pgSQL: an error where a stored table is partitioned and should not be, or the other way round. -#}
{% macro check_is_partitioned(stored, is_wanted) %}
    if exists (
        select from pg_catalog.pg_class
        where oid = '{{ stored.relation }}'::regclass and relkind {{ '<>' if is_wanted else '=' }} 'p'
    ) then
        raise exception using
            {%- if is_wanted %}
            message = format('%s was made without the variable stored_servers, in one piece', '{{ stored.relation }}'),
            {%- else %}
            message = format('%s was made with the variable stored_servers, in partitions', '{{ stored.relation }}'),
            {%- endif %}
            hint = 'It was left as it is. To have it recreated, run with stored_facts: false, drop the table, and run as now.';
    end if;
{% endmacro %}


{#- SQL: the names of the servers on which partitions of a stored table are, each once. -#}
{% macro servers_of_partitions(stored) -%}
select distinct pg_foreign_server.srvname::text
        from pg_catalog.pg_inherits
        inner join pg_catalog.pg_foreign_table on pg_inherits.inhrelid = pg_foreign_table.ftrelid
        inner join pg_catalog.pg_foreign_server on pg_foreign_table.ftserver = pg_foreign_server.oid
        where pg_inherits.inhparent = '{{ stored.relation }}'::regclass
{%- endmacro %}


{#- PL/pgSQL: the columns of a table whose partitions are elsewhere are not changed from here. -#}
{% macro check_columns_may_change(stored) %}
    if alterations is not null and exists (
        {{ servers_of_partitions(stored) }}
    ) then
        raise exception using
            message = format(
                '%s was made with other columns than the model has now: %s, not %s, and has partitions on other servers',
                '{{ stored.relation }}', found_columns, wanted_columns
            ),
            hint = 'It was left as it is. Move its partitions here, run, and move them back: `timeback shards move`.';
    end if;
{% endmacro %}


{#- PL/pgSQL of a refresh: is_torn, whether a node holds what another refresh than the last one wrote to it. -#}
{% macro compare_marks(stored) %}
    for shard_server in
        {{ servers_of_partitions(stored) }}
    loop
        execute format('select mark from {{ internal_schema() }}.%I where model_name = $1', 'refresh_mark_' || shard_server)
        into shard_mark
        using {{ stored.name }};
        is_torn := is_torn or shard_mark is distinct from (
            select noted.mark from {{ internal_schema() }}.refresh_shard as noted
            where noted.model_name = {{ stored.name }} and noted.server_name = shard_server
        );
    end loop;
{% endmacro %}


{#- PL/pgSQL of a refresh that wrote something: the same new mark on every node of the table and here. -#}
{% macro write_marks(stored) %}
    if removed + added > 0 or is_torn or is_filled then
        for shard_server in
            {{ servers_of_partitions(stored) }}
        loop
            shard_mark := gen_random_uuid()::text;
            execute format('update {{ internal_schema() }}.%I set mark = $2 where model_name = $1', 'refresh_mark_' || shard_server)
            using {{ stored.name }}, shard_mark;
            get diagnostics changed = row_count;
            if changed = 0 then
                execute format('insert into {{ internal_schema() }}.%I (model_name, mark) values ($1, $2)', 'refresh_mark_' || shard_server)
                using {{ stored.name }}, shard_mark;
            end if;
            delete from {{ internal_schema() }}.refresh_shard
            where model_name = {{ stored.name }} and server_name = shard_server;
            insert into {{ internal_schema() }}.refresh_shard (model_name, server_name, mark)
            values ({{ stored.name }}, shard_server, shard_mark);
        end loop;
    end if;
{% endmacro %}


{#- PL/pgSQL of a refresh: affected, the students of the keys in refresh_key, as they are noted and as they are now. -#}
{% macro find_affected_students(stored) %}
        select array_agg(distinct of_key.student_id)
        into affected
        from (
            select recomputed.student_id
            from refresh_row as recomputed
            union all
            select noted.student_id
            from {{ stored.ids }} as noted
            inner join (
                select distinct {{ stored.key_list }}
                from refresh_key
            ) as wanted on {{ same_columns('noted', 'wanted', stored.key) }}
        ) as of_key;
{% endmacro %}


{#-
    PL/pgSQL of a refresh: shard_row, the stored rows and the place of each; all of them, or those of the keys in
    refresh_key, for which the nodes are asked by the students that are affected.
-#}
{% macro fetch_stored_rows(stored, is_whole) %}
        create temporary table shard_row on commit drop as
        select
            stored.tableoid as leaf,
            stored.ctid as place,
            {{ qualified('stored', stored.columns) }}
        from {{ stored.relation }} as stored
        {%- if not is_whole %}
        where
            (stored.student_id = any(affected){{ ' or stored.student_id is null' if 'student_id' not in stored.key }})
            and exists (
                select
                from refresh_key as wanted
                where {{ same_columns('stored', 'wanted', stored.key) }}
            )
        {%- endif %};
        analyze shard_row;
{% endmacro %}


{#- PL/pgSQL of a refresh: removes the rows of shard_row that were not recomputed as they are, one DELETE a partition. -#}
{% macro delete_stale_rows(stored) %}
        removed := 0;
        for shard_leaf, shard_places in
            select
                stored.leaf::regclass::text,
                array_agg(stored.place)
            from shard_row as stored
            where not exists (
                select
                from refresh_row as recomputed
                where {{ same_row('recomputed', 'stored', stored.key, stored.columns) }}
            )
            group by stored.leaf
        loop
            execute format('delete from %s where ctid = any($1)', shard_leaf) using shard_places;
            get diagnostics changed = row_count;
            removed := removed + changed;
        end loop;
{% endmacro %}


{#- PL/pgSQL of a refresh: writes the recomputed rows that are not in shard_row as they are. -#}
{% macro insert_missing_rows(stored) %}
        insert into {{ stored.relation }} ({{ stored.column_list }})
        select {{ stored.column_list }}
        from refresh_row as recomputed
        where not exists (
            select
            from shard_row as stored
            where {{ same_row('recomputed', 'stored', stored.key, stored.columns) }}
        )
        order by {{ stored.order_list }};
        get diagnostics added = row_count;
{% endmacro %}


{#- PL/pgSQL of a refresh: statistics of the partitions that are here. Those of the others are their own server's. -#}
{% macro analyze_partitions(stored) %}
        for shard_leaf in
            select pg_inherits.inhrelid::regclass::text
            from pg_catalog.pg_inherits
            inner join pg_catalog.pg_class on pg_inherits.inhrelid = pg_class.oid
            where pg_inherits.inhparent = '{{ stored.relation }}'::regclass and pg_class.relkind = 'r'
        loop
            execute format('analyze %s', shard_leaf);
        end loop;
{% endmacro %}


{#- SQL: what only a refresh of a partitioned table declares. -#}
{% macro declare_shards() %}
    is_torn boolean := false;
    affected uuid[];
    shard_server text;
    shard_mark text;
    shard_leaf text;
    shard_places tid[];
{%- endmacro %}


{#- Makes what partitioned tables need beside themselves. Hook at the start of `dbt run` and `dbt build`. -#}
{% macro create_shard_objects() %}
    {%- if execute and flags.WHICH in ('run', 'build') and var('stored_servers', []) -%}
        {%- call statement('shard_objects') -%}
            -- the mark of the refresh that last wrote to a node, as the node should have it
            create table if not exists {{ internal_schema() }}.refresh_shard (
                model_name text not null,
                server_name text not null,
                mark text not null,
                primary key (model_name, server_name)
            );
            {{ create_on_servers_function() }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}
