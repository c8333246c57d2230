{#-
    A view holds on to what it reads by number, not by name: a table or a column that is renamed stays in it, and
    another that takes the name is not noticed. So each deploy notes the names of all that a view reads
    (deployed_view.reads); where they are others than that now, or in another order, the view is not current.
    The function gives the names now: of tables, columns, functions, types, each with its schema, the columns of a
    relation by their numbers. Names alone, so that they hold in a copy of the database.
-#}
{% macro create_reads_of_view_function() %}
    {%- set body %}
    begin
        return array(
            select listed.name
            from (
                select
                    depends.refclassid,
                    (pg_identify_object(depends.refclassid, depends.refobjid, 0)).identity as object_name,
                    depends.refobjsubid,
                    (pg_identify_object(depends.refclassid, depends.refobjid, depends.refobjsubid)).identity as name
                from (
                    select distinct
                        pg_depend.refclassid,
                        pg_depend.refobjid,
                        pg_depend.refobjsubid
                    from pg_rewrite
                    inner join pg_depend on pg_depend.classid = 'pg_rewrite'::regclass and pg_rewrite.oid = pg_depend.objid
                    where pg_rewrite.ev_class = view_oid and pg_depend.deptype = 'n'
                ) as depends
            ) as listed
            order by listed.refclassid, listed.object_name collate "C", listed.refobjsubid
        );
    end
    {% endset -%}
    {{ create_function('reads_of_view', 'oid', 'view_oid oid', 'text[]', 'stable', body) }}
{% endmacro %}


{#-
    The function moved_sources gives a row for each deployed view that reads something under another name than when it was
    made: view_name, and the names that differ, reads_now and was_made_to_read. `timeback audit` asks it too.
-#}
{% macro create_moved_sources_function() %}
    {%- set body %}
    begin
        return query
        with deployed as (
            select
                pg_class.oid as view_oid,
                deployed_view.reads,
                {{ internal_schema() }}.reads_of_view(pg_class.oid) as now
            from {{ internal_schema() }}.deployed_view
            inner join pg_namespace on deployed_view.schema_name = pg_namespace.nspname
            inner join pg_class on pg_namespace.oid = pg_class.relnamespace and deployed_view.view_name = pg_class.relname
            where pg_class.relkind = 'v'
        )

        select
            deployed.view_oid::regclass::text,
            {{ names_not_in('deployed.now', 'deployed.reads') }},
            {{ names_not_in('deployed.reads', 'deployed.now') }}
        from deployed
        where
            deployed.reads <> deployed.now
            -- a view below it has new columns, and its own turn is still to come
            and array_to_string(deployed.now, ',') !~ '__set_aside_[0-9]'
        order by 1;
    end
    {% endset -%}
    {{ create_function(
        'moved_sources', '', '', 'TABLE(view_name text, reads_now text, was_made_to_read text)', 'stable', body
    ) }}
{% endmacro %}


{#- SQL expression: the names of one list that are not in the other, or stand at another place there, with commas. -#}
{% macro names_not_in(names, other) -%}
    (
        select string_agg(listed.name, ', ' order by listed.place)
        from unnest({{ names }}) with ordinality as listed (name, place)
        where
            listed.name <> all({{ other }})
            or (
                -- the same names: some have changed places
                {{ names }} <@ {{ other }}
                and {{ other }} <@ {{ names }}
                and ({{ other }})[listed.place] is distinct from listed.name
            )
    )
{%- endmacro %}


{#-
    Tells, before a run recreates them, which views read a table or a column that no longer has the name by which
    they were made to read it. Says nothing where nothing was deployed yet, or by a version that noted no names.
-#}
{% macro tell_moved_sources() %}
    {%- call statement('notes_reads', fetch_result=True) -%}
        select to_regprocedure('{{ internal_schema() }}.moved_sources()') is not null as is_noted
    {%- endcall -%}
    {%- if load_result('notes_reads').table.rows[0]['is_noted'] -%}
        {%- call statement('moved_sources', fetch_result=True) -%}
            select
                view_name,
                reads_now,
                was_made_to_read
            from {{ internal_schema() }}.moved_sources()
        {%- endcall -%}
        {%- for row in load_result('moved_sources').table.rows -%}
            {%- do log(
                row['view_name'] ~ " reads " ~ row['reads_now'] ~ ", and was made to read " ~ row['was_made_to_read']
                ~ ": a migration has renamed it. dbt run recreates the view.", info=True
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
