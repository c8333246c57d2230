{#-
    Creates a view, or replaces it in place: its oid, its grants, its comments and everything that depends
    on it remain.

    Readers never wait for long. The statement needs an exclusive lock on the view, and while it waits for
    the lock, new queries on the view queue behind it. So it waits for a fifth of a second, gives up, and
    tries again after a pause, for `deploy_lock_seconds` in all. Then it names the sessions that lock the view.

    `create or replace` cannot remove, rename, retype or reorder columns. Such a change needs var
    `replace_columns`, except in the internal schema, which no consumer reads. The old view is then moved to the
    internal schema under another name, and a new one takes its place, in one transaction. Our views that depend
    on the old one keep reading it until the run recreates them, or longer if the run fails. When none depends on
    it any more, it is dropped (drop_views_set_aside). An object of another owner would depend on the old view
    for good, so nothing is changed then, and the error names the object.
-#}
{% macro deploy_view(relation, sql, options, sql_hash) %}
    {%- set name = relation.include(database=false) -%}
    do $deploy$
    declare
        give_up_at constant timestamptz := clock_timestamp() + make_interval(secs => {{ var('deploy_lock_seconds') | float }});
        view_oid oid;
        new_oid oid;
        columns_before text;
        must_set_aside boolean;
        usual_lock_timeout constant text := current_setting('lock_timeout');
        problem text;
    begin
        perform set_config('lock_timeout', '200ms', true);
        view_oid := to_regclass('{{ name }}');
        columns_before := {{ columns_of('view_oid') }};
        -- a stored table in the view's place cannot be replaced either
        must_set_aside := coalesce((select relkind <> 'v' from pg_catalog.pg_class where oid = view_oid), false);
        loop
            begin
                if must_set_aside then
                    {{ set_aside(relation) }}
                end if;
                {{ create_or_replace_view_in_place(name, sql, options) }};
                {{ restore_grants(relation) }}
                exit;
            exception
                when lock_not_available or deadlock_detected then
                    if clock_timestamp() > give_up_at then
                        {{ raise_who_holds(relation) }}
                    end if;
                    perform pg_sleep(0.1 + random() * 0.3);
                when invalid_table_definition then
                    if view_oid is null or must_set_aside then
                        raise;
                    end if;
                    must_set_aside := true;
                    {# nobody but our own views reads a model of the internal schema -#}
                    {% if not var('replace_columns') and relation.schema != generate_schema_name('internal', none) -%}
                    {{ raise_which_columns(relation, sql) }}
                    {%- endif %}
            end;
        end loop;
        perform set_config('lock_timeout', usual_lock_timeout, true);

        {{ note_deployed_view(relation, sql_hash) }}
    end
    $deploy$;
{% endmacro %}


{#-
    PL/pgSQL: records what was made. If the columns or the oid have changed, it also deletes the records of the
    views that depend on this one, so that they are recreated. view_oid and columns_before describe the old view.
-#}
{% macro note_deployed_view(relation, sql_hash) %}
    new_oid := '{{ relation.include(database=false) }}'::regclass;
    if columns_before is distinct from {{ columns_of('new_oid') }} or view_oid is distinct from new_oid then
        -- what depends on the old one was made for its columns: it has its turn again, though its SQL is the same
        delete from {{ internal_schema() }}.deployed_view
        using {{ relations_on('view_oid') }} as dependent
        where
            deployed_view.schema_name = dependent.schema_name
            and deployed_view.view_name = dependent.relation_name;
    end if;
    insert into {{ internal_schema() }}.deployed_view (schema_name, view_name, sql_hash, definition_hash, reads)
    values (
        '{{ relation.schema }}', '{{ relation.identifier }}', '{{ sql_hash }}', {{ definition_hash('new_oid') }},
        {{ internal_schema() }}.reads_of_view(new_oid)
    )
    on conflict (schema_name, view_name) do update
    set sql_hash = excluded.sql_hash, definition_hash = excluded.definition_hash, reads = excluded.reads;
{% endmacro %}


{#- SQL expression: names and types of a relation's columns, in their order, as text. -#}
{% macro columns_of(relation_oid) -%}
    (
        select string_agg(
            quote_ident(pg_attribute.attname) || ' ' || format_type(pg_attribute.atttypid, pg_attribute.atttypmod),
            ', ' order by pg_attribute.attnum
        )
        from pg_catalog.pg_attribute
        where pg_attribute.attrelid = {{ relation_oid }} and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
    )
{%- endmacro %}


{#-
    SQL subquery: what stands directly on a relation, a row each: schema_name and relation_name of a
    view, description of anything, is_ours. Ours are the project's models, what was deployed for
    models that are gone since, and views set aside.
-#}
{% macro relations_on(relation_oid) -%}
    (
        select distinct
            pg_namespace.nspname as schema_name,
            dependent.relname as relation_name,
            coalesce(
                dependent.oid::regclass::text,
                pg_describe_object(pg_depend.classid, pg_depend.objid, pg_depend.objsubid)
            ) as description,
            dependent.oid is not null
            and (
                (pg_namespace.nspname, dependent.relname) in ({{ names_of_our_views() }})
                or exists (
                    select from {{ internal_schema() }}.deployed_view as known
                    where known.schema_name = pg_namespace.nspname and known.view_name = dependent.relname
                )
                or {{ is_set_aside('dependent', 'pg_namespace') }}
            ) as is_ours
        from pg_catalog.pg_depend
        left join pg_catalog.pg_rewrite
            on pg_depend.classid = 'pg_catalog.pg_rewrite'::regclass and pg_depend.objid = pg_rewrite.oid
        left join pg_catalog.pg_class as dependent on pg_rewrite.ev_class = dependent.oid
        left join pg_catalog.pg_namespace on dependent.relnamespace = pg_namespace.oid
        where
            pg_depend.deptype in ('n', 'a')
            and (
                (pg_depend.refclassid = 'pg_catalog.pg_class'::regclass and pg_depend.refobjid = {{ relation_oid }})
                -- a function or a table that uses its row type
                or (
                    pg_depend.refclassid = 'pg_catalog.pg_type'::regclass
                    and pg_depend.refobjid in (
                        select unnest(array[pg_type.oid, pg_type.typarray]) from pg_catalog.pg_type
                        where pg_type.typrelid = {{ relation_oid }}
                    )
                )
            )
            and dependent.oid is distinct from {{ relation_oid }}
            -- a table's own indexes and constraints
            and not (pg_depend.refclassid = 'pg_catalog.pg_class'::regclass and pg_depend.deptype = 'a' and pg_rewrite.oid is null)
    )
{%- endmacro %}


{#- Condition: whether a relation is a view that was set aside. Its own oid is in its name, so no other one's is. -#}
{% macro is_set_aside(relation, namespace) -%}
    ({{ namespace }}.nspname = '{{ generate_schema_name("internal", none) }}' and {{ relation }}.relname like '%\_\_set\_aside\_' || {{ relation }}.oid)
{%- endmacro %}


{#-
    PL/pgSQL: renames a relation out of the way, into the internal schema, and takes it away from its
    readers. view_oid names it. Refuses while somebody else's object depends on it.
-#}
{% macro set_aside(relation) %}
    select string_agg(distinct dependent.description, ', ' order by dependent.description)
    into problem
    from {{ relations_on('view_oid') }} as dependent
    where not dependent.is_ours;
    if problem is not null then
        raise dependent_objects_still_exist using
            message = 'The columns of {{ relation.include(database=false) }} change, and ' || problem || ' would stay on the old ones',
            hint = 'They are not this project''s. Have their owner drop them, run again, and recreate them on the new columns.';
    end if;
    execute format(
        'alter table {{ relation.include(database=false) }} rename to %I',
        left('{{ relation.identifier }}', 40) || '__set_aside_' || view_oid
    );
    if '{{ relation.schema }}' <> '{{ generate_schema_name("internal", none) }}' then
        execute format('alter table %s set schema {{ internal_schema() }}', view_oid::regclass);
    end if;
{% endmacro %}


{#- PL/pgSQL: gives the view in place of one that was set aside its grants, and takes them from the old one. -#}
{% macro restore_grants(relation) %}
    if must_set_aside then
        for problem in
            select statement.text
            from pg_catalog.pg_class as old
            cross join aclexplode(old.relacl) as granted
            cross join format('%s', case when granted.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(granted.grantee)) end) as grantee (name)
            cross join unnest(array[
                format(
                    'grant %s on {{ relation.include(database=false) }} to %s%s',
                    granted.privilege_type, grantee.name, case when granted.is_grantable then ' with grant option' else '' end
                ),
                format('revoke %s on %s from %s cascade', granted.privilege_type, old.oid::regclass, grantee.name)
            ]) as statement (text)
            where old.oid = view_oid and granted.grantee <> old.relowner
            -- grants first: revoking changes what is read here
            order by statement.text
        loop
            execute problem;
        end loop;
    end if;
{% endmacro %}


{#- PL/pgSQL: raises an error that says who holds a lock on the view, and what to do about it. -#}
{% macro raise_who_holds(relation) %}
    select string_agg(
        distinct format('process %s%s', pg_locks.pid, coalesce(' of ' || pg_stat_activity.usename, '')
            || coalesce(', in a transaction since ' || to_char(pg_stat_activity.xact_start at time zone 'UTC', 'HH24:MI:SS "UTC"'), '')),
        '; '
    )
    into problem
    from pg_catalog.pg_locks
    left join pg_catalog.pg_stat_activity on pg_locks.pid = pg_stat_activity.pid
    where pg_locks.relation = view_oid and pg_locks.granted and pg_locks.pid <> pg_backend_pid();
    raise lock_not_available using
        message = '{{ relation.include(database=false) }} could not be locked within {{ var("deploy_lock_seconds") }} seconds'
            || coalesce('; it is locked by ' || problem, ''),
        hint = 'It is as it was. Run again when that has ended, or give it longer: --vars ''{deploy_lock_seconds: 600}''.';
{% endmacro %}


{#- PL/pgSQL: raises which columns of a view would change. The new ones are those of a view that goes with the error. -#}
{% macro raise_which_columns(relation, sql) %}
    {%- set to_come = internal_schema() ~ '.to_come_' ~ local_md5(relation.identifier) %}
    create view {{ to_come }} as (
        {{ sql }}
    );
    select concat_ws(
        '; ',
        'gone: ' || string_agg(quote_ident(old.attname), ', ' order by old.attnum) filter (where new.attname is null),
        'new: ' || string_agg(quote_ident(new.attname), ', ' order by new.attnum) filter (where old.attname is null),
        'of another type: ' || string_agg(
            quote_ident(old.attname) || ' (' || old.type_name || ', to be ' || new.type_name || ')', ', ' order by new.attnum
        ) filter (where old.type_name <> new.type_name),
        'in another place: ' || string_agg(quote_ident(old.attname), ', ' order by new.attnum) filter (where old.attnum <> new.attnum)
    )
    into problem
    from (
        select attname, attnum, format_type(atttypid, atttypmod) as type_name
        from pg_catalog.pg_attribute where attrelid = view_oid and attnum > 0
    ) as old
    full join (
        select attname, attnum, format_type(atttypid, atttypmod) as type_name
        from pg_catalog.pg_attribute where attrelid = '{{ to_come }}'::regclass and attnum > 0
    ) as new on old.attname = new.attname;
    raise invalid_table_definition using
        message = 'The columns of {{ relation.include(database=false) }} change in a way that breaks queries on them: ' || problem,
        hint = 'It is as it was. To replace it with its columns: dbt run --vars ''{replace_columns: true}'', or timeback job --replace-columns.';
{% endmacro %}


{#- Statements that give a view the reader's grant and the comments which it lacks, as deployed_state has found. -#}
{% macro grant_and_comment(relation, state) %}
    {%- if state['lacks_grant'] %}
    grant select on {{ relation }} to timeback_reader;
    {%- endif %}
    {%- set comments = wanted_comments() -%}
    {%- for name in (state['lacks_comments'] or '').split(',') if name %}
    comment on {{ 'view ' ~ relation if name == '*' else 'column ' ~ relation ~ '.' ~ adapter.quote(name) }} is {{ postgres_escape_comment(comments[name]) }};
    {%- endfor %}
{% endmacro %}
