{#-
    PL/pgSQL of a refresh: the temporary table refresh_source, a row for each operational table that the model
    is made from, with what the last refresh noted of it. fingerprint is what the stored rows rest on
    beside the table's rows; null where changes in it cannot be known. since_age is how many transactions
    ago the last refresh's horizon was; null where that refresh does not count, under another fingerprint, say.
-#}
{% macro read_last_refresh(stored) %}
    create temporary table refresh_source on commit drop as
    with recursive {{ definition_of_views([stored.live, stored.origins]) }},

    source (source_name, relation) as (
        values
        {%- for source in stored.sources %}
        ({{ dbt.string_literal(source.name) }}, '{{ source.relation }}'::regclass::oid){{ ',' if not loop.last }}
        {%- endfor %}
    ),

    part (source_name, relation) as (
        {{ tables_and_partitions('select source_name, relation from source') }}
    ),

    source_now as (
        select
            part.source_name,
            case
                when bool_and(pg_class.relkind in ('r', 'p') and not row_security_active(part.relation))
                    then md5(concat_ws(
                        '/',
                        (select fingerprint from definition),
                        (select oid from pg_catalog.pg_database where datname = current_database()),
                        '{{ stored.relation }}'::regclass::oid,
                        '{{ stored.ids }}'::regclass::oid,
                        {%- for name in stored.whole_by %}
                        (select coalesce(md5(string_agg(small::text, ',' order by small::text)), 'empty') from {{ relation_of_source(name) }} as small),
                        {%- endfor %}
                        string_agg(part.relation::text, ',' order by part.relation)
                    ))
            end as fingerprint
        from part
        inner join pg_catalog.pg_class on part.relation = pg_class.oid
        group by part.source_name
    )

    select
        source_now.source_name,
        source_now.fingerprint,
        last_time.settled_rows as last_settled_rows,
        case
            when
                last_time.horizon <= this_horizon
                and this_horizon::text::numeric - last_time.horizon::text::numeric < 1000000000
                then age(last_time.horizon::xid)
        end as since_age,
        0::bigint as settled_rows,
        0::bigint as changed_rows,
        0::bigint as lost_rows
    from source_now
    left join {{ stored.state }} as last_time
        on
            last_time.model_name = {{ stored.name }}
            and source_now.source_name = last_time.source_name
            and source_now.fingerprint = last_time.fingerprint;
{% endmacro %}


{#- SQL of two CTEs, the second of which, definition (fingerprint), changes with any view that these depend on. -#}
{% macro definition_of_views(views) -%}
view_below (oid) as (
        select pg_class.oid
        from unnest(array[{% for view in views %}'{{ view }}'::regclass{{ ', ' if not loop.last }}{% endfor %}]) as wanted (oid)
        inner join pg_catalog.pg_class on wanted.oid = pg_class.oid
        union
        select pg_depend.refobjid
        from view_below
        inner join pg_catalog.pg_rewrite on view_below.oid = pg_rewrite.ev_class
        inner join pg_catalog.pg_depend
            on
                pg_depend.classid = 'pg_catalog.pg_rewrite'::regclass
                and pg_rewrite.oid = pg_depend.objid
                and pg_depend.refclassid = 'pg_catalog.pg_class'::regclass
    ),

    definition (fingerprint) as (
        -- in Postgres's own form, which says by number what a view reads: another table, or column, may have the name
        select md5(string_agg(pg_rewrite.ev_action::text, ';' order by pg_class.oid))
        from view_below
        inner join pg_catalog.pg_class on view_below.oid = pg_class.oid
        inner join pg_catalog.pg_rewrite on pg_class.oid = pg_rewrite.ev_class
        where pg_class.relkind = 'v'
    )
{%- endmacro %}


{#- SQL of a recursive CTE part (source_name, relation): the tables that a query names, and the partitions of each. -#}
{% macro tables_and_partitions(tables) -%}
{{ tables }}
        union
        select part.source_name, pg_inherits.inhrelid
        from part
        inner join pg_catalog.pg_inherits on part.relation = pg_inherits.inhparent
{%- endmacro %}


{#- PL/pgSQL: writes down how far the sources were read, in one snapshot. -#}
{% macro note_state(stored, refreshed_at='now()') %}
    delete from {{ stored.state }} where model_name = {{ stored.name }};
    insert into {{ stored.state }} (
        model_name, source_name, fingerprint, horizon, settled_rows, changed_rows, removed_rows, added_rows, is_whole, refreshed_at
    )
    select
        {{ stored.name }}, source_name, fingerprint, this_horizon, settled_rows, changed_rows, removed, added, is_whole, {{ refreshed_at }}
    from refresh_source;
{% endmacro %}


{#- PL/pgSQL of a refresh: writes down how far it has read, and the keys that the next one must recompute again. -#}
{% macro note_refresh(stored) %}
    {{ note_state(stored) }}
    delete from {{ stored.fill }} where model_name = {{ stored.name }};
    delete from {{ stored.pending }} where model_name = {{ stored.name }};
    insert into {{ stored.pending }} (model_name, row_key)
    select distinct
        {{ stored.name }},
        jsonb_build_object({% for name in stored.key %}'{{ name }}', {{ name }}{{ ', ' if not loop.last }}{% endfor %})
    from refresh_key
    where is_unsettled;
{% endmacro %}
