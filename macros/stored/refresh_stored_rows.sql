{#-
    SQL that brings a stored table to what its model's query gives now, in one transaction: readers see
    the state before or the state after, and a refresh that fails leaves the state before.

    relation: the table; made, with an index on its key, when it is not there
    names:    its columns
    sql:      the model's query, the live rows
    The model's config says the rest:
    unique_key: the columns that name a row. The first is the student, in whose order rows are stored
    meta.made_from: {source: column}: the operational tables that the rows are made from, each with an
        `id`, and the stored column that holds the id of the source's row which a stored row uses
    meta.live:      the model that the query selects from
    meta.origins:   the model that tells which keys a source's row bears on: the key's columns, and one
        column of that name for each source

    How changes are found. The operational tables have no triggers of ours, nor an index on
    the time of a change, and their own timestamps say little: clients' clocks differ, corrections keep
    them, a transaction may commit hours after the time that it wrote. Where the server keeps a log of
    changes for us, the ids of changed rows were read from it before (collect_changes): the keys that
    those bear on now, and those of the stored rows that use them, are worked out anew, all by index.

    Without a log, what tells a new version of a row for certain is the transaction that wrote it, xmin. A
    refresh notes the oldest transaction that was still running, its horizon: whatever older ones wrote was
    there to be read. At the next refresh
    - a row written at or after that horizon is new or corrected, and the keys that it bears on are
      worked out anew (those of subtransactions too, whose numbers are above their parent's);
    - the rows written before it can only have become fewer. As many as there are corrected ones that
      stored rows use: then nothing else is gone. More: then rows were deleted, or others corrected, and
      each stored row whose source row is gone or has a newer version is looked for and worked out
      anew. A source row that no stored row uses may go without a trace: it changes no stored row.
    - a row that the last refresh read from a transaction at or after its horizon belongs to neither; the
      keys that it bears on were noted (refresh_pending) and are worked out anew.
    One pass over each table compares numbers, and where rows are gone a second one ids; the rest grows
    with what changed. Transaction numbers wrap around after four billion, so that an ancient row can
    look new: it is worked out once more.

    Everything is worked out anew where that cannot be told: the first time, when the definition of the
    model or of a view below it changed, when the source is another table or has other partitions, is a
    view or a foreign table, or hides rows from the deploying role by a policy; when changes were found in
    another way last time, or the log has a gap; and where more than a fifth of the rows changed.
    --full-refresh does so and also writes every row again, in order.
-#}
{% macro refresh_stored_rows(relation, names, sql) %}
    {%- set state = internal_schema() ~ '.refresh_state' -%}
    {%- set pending = internal_schema() ~ '.refresh_pending' -%}
    {%- set logged = internal_schema() ~ '.refresh_change' -%}
    {%- set model_name = dbt.string_literal(model['name']) -%}
    {%- set key = config.require('unique_key') -%}
    {%- set made_from = config.require('meta')['made_from'] -%}
    {%- set live = relation_of_model(model['depends_on']['nodes'], config.require('meta')['live']) -%}
    {%- set origins = relation_of_model(model['depends_on']['nodes'], config.require('meta')['origins']) -%}
    {%- set key_list = key | join(', ') -%}
    {%- set same_row = [same_columns('worked_out', 'stored', key)] -%}
    {%- for name in names if name not in key -%}
        {%- do same_row.append('worked_out.' ~ name ~ ' is not distinct from stored.' ~ name) -%}
    {%- endfor -%}
set transaction isolation level repeatable read;
-- nobody else's objects are taken for ours or for Postgres's, and view definitions read the same every time
set local search_path = pg_catalog, pg_temp;
-- before the snapshot is taken: a second refresh waits, and then reads what the first one left
lock table {{ state }} in share row exclusive mode;

do $refresh$
declare
    this_horizon constant xid8 := pg_snapshot_xmin(pg_current_snapshot());
    this_horizon_age constant integer := age(this_horizon::xid);
    is_rewrite boolean := {{ 'true' if should_full_refresh() else 'false' }};
    is_whole boolean;
    since_age integer;
    is_logged boolean;
    stored_rows bigint;
    changed bigint;
    total bigint;
    lost bigint;
    found_columns text;
    wanted_columns text;
    removed bigint := 0;
    added bigint := 0;
begin
    create table if not exists {{ relation }} as
    {{ sql }}
    with no data;
    create index if not exists {{ adapter.quote(relation.identifier ~ '_key') }} on {{ relation }} ({{ key_list }});
    create temporary table refresh_row on commit drop as
    {{ sql }}
    with no data;

    -- views stand on the table, so it is not swapped from under them
    select
        string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
        filter (where attrelid = '{{ relation }}'::regclass),
        string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
        filter (where attrelid = 'pg_temp.refresh_row'::regclass)
    into found_columns, wanted_columns
    from pg_catalog.pg_attribute
    where attrelid in ('{{ relation }}'::regclass, 'pg_temp.refresh_row'::regclass) and attnum > 0 and not attisdropped;
    if found_columns <> wanted_columns then
        raise exception using
            message = format('%s was made with other columns than the model has now: %s, not %s', '{{ relation }}', found_columns, wanted_columns),
            hint = 'It was left as it is. To have it made anew, run with stored_facts: false, drop the table, and run as now.';
    end if;
    select greatest(reltuples, 0) into stored_rows from pg_catalog.pg_class where oid = '{{ relation }}'::regclass;
    is_rewrite := is_rewrite or not exists (select from {{ relation }});

    create temporary table refresh_source on commit drop as
    with recursive view_below (oid) as (
        select pg_class.oid
        from unnest(array['{{ live }}'::regclass, '{{ origins }}'::regclass]) as wanted (oid)
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
        select md5(string_agg(pg_get_viewdef(view_below.oid), ';' order by pg_get_viewdef(view_below.oid) collate "C"))
        from view_below
        inner join pg_catalog.pg_class on view_below.oid = pg_class.oid
        where pg_class.relkind = 'v'
    ),

    source (source_name, relation) as (
        values
        {%- for source_name in made_from %}
        ({{ dbt.string_literal(source_name) }}, '{{ relation_of_source(source_name) }}'::regclass::oid){{ ',' if not loop.last }}
        {%- endfor %}
    ),

    part (source_name, relation) as (
        {{ tables_and_partitions('select source_name, relation from source') }}
    ),

    told as (
        select
            part.source_name,
            case
                when bool_and(pg_class.relkind in ('r', 'p') and not row_security_active(part.relation))
                    then md5(concat_ws(
                        '/',
                        (select fingerprint from definition),
                        (select oid from pg_catalog.pg_database where datname = current_database()),
                        '{{ relation }}'::regclass::oid,
                        string_agg(part.relation::text, ',' order by part.relation)
                    ))
            end as fingerprint,
            log_source.feed
        from part
        inner join pg_catalog.pg_class on part.relation = pg_class.oid
        left join source on part.source_name = source.source_name
        left join {{ internal_schema() }}.refresh_log_source as log_source
            on source.source_name = log_source.source_name and source.relation = log_source.relation
        group by part.source_name, log_source.feed
    )

    select
        told.source_name,
        told.fingerprint,
        told.feed,
        last_time.settled_rows as last_settled_rows,
        -- null: what changed cannot be told
        case
            when
                last_time.horizon <= this_horizon
                and this_horizon::text::numeric - last_time.horizon::text::numeric < 1000000000
                then age(last_time.horizon::xid)
        end as since_age,
        0::bigint as settled_rows,
        0::bigint as changed_rows,
        0::bigint as lost_rows
    from told
    left join {{ state }} as last_time
        on
            last_time.model_name = {{ model_name }}
            and told.source_name = last_time.source_name
            and told.fingerprint = last_time.fingerprint
            and told.feed is not distinct from last_time.feed;

    is_whole :=
        is_rewrite
        or exists (select from refresh_source where refresh_source.since_age is null)
        or exists (select from {{ logged }} as change where change.model_name = {{ model_name }} and change.row_id is null);
    {% for source_name, id in made_from.items() %}
    create temporary table changed_{{ source_name }} on commit drop as
    select
        {{ id }},
        false as is_unsettled
    from refresh_row
    with no data;
    select
        case when is_whole then this_horizon_age else refresh_source.since_age end,
        refresh_source.feed is not null
    into since_age, is_logged
    from refresh_source
    where refresh_source.source_name = '{{ source_name }}' and refresh_source.fingerprint is not null;
    if not found then
        null;
    elsif is_logged then
        insert into changed_{{ source_name }} ({{ id }}, is_unsettled)
        select
            changed_row.{{ id }},
            false
        from {{ logged }} as change
        cross join lateral jsonb_populate_record(
            null::{{ relation }}, jsonb_build_object('{{ id }}', change.row_id)
        ) as changed_row
        where
            not is_whole
            and change.model_name = {{ model_name }}
            and change.source_name = '{{ source_name }}'
        group by changed_row.{{ id }};
        get diagnostics changed = row_count;
        update refresh_source
        set
            settled_rows = stored_rows,
            changed_rows = changed
        where refresh_source.source_name = '{{ source_name }}';
        analyze changed_{{ source_name }};
    else
        -- counted with the same pass: count(*) alone would go through an index, and from there to every row
        -- of a page that was not vacuumed yet
        select
            count(*),
            count(*) filter (where {{ is_changed('source', 'since_age') }})
        into total, changed
        from {{ relation_of_source(source_name) }} as source;
        if changed > 0 then
            insert into changed_{{ source_name }} ({{ id }}, is_unsettled)
            select
                source.id,
                {{ is_changed('source', 'this_horizon_age') }}
            from {{ relation_of_source(source_name) }} as source
            where {{ is_changed('source', 'since_age') }};
        end if;
        update refresh_source
        set
            settled_rows = total - (select count(*) from changed_{{ source_name }} as changed_row where changed_row.is_unsettled),
            changed_rows = changed,
            lost_rows = refresh_source.last_settled_rows - (total - changed)
        where refresh_source.source_name = '{{ source_name }}';
        analyze changed_{{ source_name }};
    end if;
    {% endfor %}
    is_whole := is_whole or (select sum(changed_rows) * 5 > sum(settled_rows + changed_rows) from refresh_source);

    create temporary table refresh_key on commit drop as
    select
        {{ key_list }},
        false as is_unsettled
    from refresh_row
    with no data;

    create temporary table noted_key on commit drop as
    select distinct
        {{ qualified('noted', key) }}
    from {{ pending }} as pending
    cross join lateral jsonb_populate_record(null::{{ relation }}, pending.row_key) as noted
    where pending.model_name = {{ model_name }};
    if not is_whole then
        insert into refresh_key ({{ key_list }}, is_unsettled)
        select
            {{ key_list }},
            false
        from noted_key;
    end if;
    {% for source_name, id in made_from.items() %}
    create temporary table origin_{{ source_name }} on commit drop as
    select
        {{ qualified('origin', key) }},
        changed_row.{{ id }} as row_id,
        changed_row.is_unsettled
    from changed_{{ source_name }} as changed_row
    cross join lateral (
        select {{ key_list }}
        from {{ origins }} as of_row
        where of_row.{{ id }} = changed_row.{{ id }}
        -- one at a time, by index
        offset 0
    ) as origin
    where changed_row.is_unsettled or not is_whole;
    analyze origin_{{ source_name }};
    insert into refresh_key ({{ key_list }}, is_unsettled)
    select
        {{ key_list }},
        is_unsettled
    from origin_{{ source_name }};

    select refresh_source.lost_rows, refresh_source.since_age, refresh_source.feed is not null
    into lost, since_age, is_logged
    from refresh_source
    where refresh_source.source_name = '{{ source_name }}';
    if is_whole then
        null;
    elsif is_logged then
        insert into refresh_key ({{ key_list }}, is_unsettled)
        select
            {{ qualified('stored', key) }},
            false
        from changed_{{ source_name }} as changed_row
        inner join {{ relation }} as stored on changed_row.{{ id }} = stored.{{ id }};
    else
        -- a stored row that uses a row which is among the changed ones: corrected, and looked at already.
        -- Those noted last time were not counted then.
        select lost - count(distinct origin.row_id)
        into lost
        from origin_{{ source_name }} as origin
        inner join {{ relation }} as stored
            on
                {{ same_columns('origin', 'stored', key) }}
                and origin.row_id = stored.{{ id }}
        where not exists (
            select
            from noted_key
            where {{ same_columns('noted_key', 'origin', key) }}
        );
        if lost <> 0 then
            insert into refresh_key ({{ key_list }}, is_unsettled)
            select
                {{ qualified('stored', key) }},
                false
            from {{ relation }} as stored
            where
                stored.{{ id }} is not null
                and not exists (
                    select
                    from {{ relation_of_source(source_name) }} as source
                    where source.id = stored.{{ id }} and not ({{ is_changed('source', 'since_age') }})
                );
        end if;
    end if;
    {% endfor %}
    if is_rewrite then
        delete from {{ relation }};
        get diagnostics removed = row_count;
        insert into {{ relation }} ({{ names | join(', ') }})
        select {{ names | join(', ') }}
        from {{ live }}
        order by {{ key_list }};
        get diagnostics added = row_count;
    else
        if is_whole then
            insert into refresh_row ({{ names | join(', ') }})
            select {{ names | join(', ') }}
            from {{ live }};
            analyze refresh_row;

            delete from {{ relation }} as stored
            where not exists (
                select
                from refresh_row as worked_out
                where {{ same_row | join(' and ') }}
            );
        else
            analyze refresh_key;

            insert into refresh_row ({{ names | join(', ') }})
            select
                {{ qualified('live', names) }}
            from (
                select distinct {{ key_list }}
                from refresh_key
            ) as wanted
            cross join lateral (
                select {{ names | join(', ') }}
                from {{ live }} as of_key
                where {{ same_columns('of_key', 'wanted', key) }}
                offset 0
            ) as live;
            analyze refresh_row;

            delete from {{ relation }} as stored
            using (
                select distinct {{ key_list }}
                from refresh_key
            ) as wanted
            where
                {{ same_columns('stored', 'wanted', key) }}
                and not exists (
                    select
                    from refresh_row as worked_out
                    where {{ same_row | join(' and ') }}
                );
        end if;
        get diagnostics removed = row_count;

        insert into {{ relation }} ({{ names | join(', ') }})
        select {{ names | join(', ') }}
        from refresh_row as worked_out
        where not exists (
            select
            from {{ relation }} as stored
            where {{ same_row | join(' and ') }}
        )
        order by {{ key_list }};
        get diagnostics added = row_count;
    end if;

    delete from {{ state }} where model_name = {{ model_name }};
    insert into {{ state }} (
        model_name, source_name, fingerprint, feed, horizon, settled_rows, changed_rows, removed_rows, added_rows, is_whole, refreshed_at
    )
    select
        {{ model_name }}, source_name, fingerprint, feed, this_horizon, settled_rows, changed_rows, removed, added, is_whole, now()
    from refresh_source;

    delete from {{ logged }} where model_name = {{ model_name }};
    delete from {{ pending }} where model_name = {{ model_name }};
    insert into {{ pending }} (model_name, row_key)
    select distinct
        {{ model_name }},
        jsonb_build_object({% for name in key %}'{{ name }}', {{ name }}{{ ', ' if not loop.last }}{% endfor %})
    from refresh_key
    where is_unsettled;

    {% for source_name, id in made_from.items() %}
    if exists (select from refresh_source where refresh_source.source_name = '{{ source_name }}' and refresh_source.feed is not null) then
        -- the log names ids: the stored rows that use them are looked up by it
        create index if not exists {{ adapter.quote(relation.identifier ~ '_' ~ id) }} on {{ relation }} using hash ({{ id }});
    end if;
    {% endfor %}
    if removed + added > 0 then
        analyze {{ relation }};
    end if;
end
$refresh$;
{% endmacro %}


{#- The relation of one of the models that a model depends on, by its name. -#}
{% macro relation_of_model(unique_ids, name) -%}
    {%- for unique_id in unique_ids if graph.nodes.get(unique_id) and graph.nodes[unique_id].name == name -%}
        {{ return(graph.nodes[unique_id].relation_name) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(model['name'] ~ " depends on no model " ~ name) -%}
{%- endmacro %}


{#- The relation of an operational table, by its name in models/staging/_sources.yml. -#}
{% macro relation_of_source(name) -%}
    {%- for source in graph.sources.values() if source.name == name -%}
        {{ return(source.relation_name) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(model['name'] ~ " is made from " ~ name ~ ", which is no operational table") -%}
{%- endmacro %}


{#- SQL condition: a row was written by a transaction at or after the horizon of that age. The cheaper half first. -#}
{% macro is_changed(alias, horizon_age) -%}
    age({{ alias }}.xmin) <= {{ horizon_age }} and age({{ alias }}.xmin) >= 0
{%- endmacro %}


{#- SQL: columns of a relation by its alias, with commas between them. -#}
{% macro qualified(alias, columns) -%}
{% for name in columns %}{{ alias }}.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}


{#- SQL condition: two relations have the same values in columns that are never null. -#}
{% macro same_columns(alias, other, columns) -%}
{% for name in columns %}{{ alias }}.{{ name }} = {{ other }}.{{ name }}{{ ' and ' if not loop.last }}{% endfor %}
{%- endmacro %}


{#- SQL of a recursive CTE part (source_name, relation): the tables that a query names, and the partitions of each. -#}
{% macro tables_and_partitions(tables) -%}
{{ tables }}
        union
        select part.source_name, pg_inherits.inhrelid
        from part
        inner join pg_catalog.pg_inherits on part.relation = pg_inherits.inhparent
{%- endmacro %}
