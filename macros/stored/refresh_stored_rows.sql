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
    meta.origins:   the model that says which keys a source's row affects: the key's columns, and one
        column of that name for each source

    How changes are found. The operational tables have no triggers of ours, nor an index on
    the time of a change, and their own timestamps say little: clients' clocks differ, corrections keep
    them, a transaction may commit hours after the time that it wrote. What identifies a new version of a
    row for certain is the transaction that wrote it, xmin. A refresh notes the oldest transaction
    that was still running, its horizon: whatever older ones wrote was there to be read. At the next refresh
    - a row written at or after that horizon is new or corrected, and the keys that it affects are
      recomputed (those of subtransactions too, whose numbers are above their parent's);
    - the rows written before it can only have become fewer. As many as there are corrected ones that
      stored rows use: then nothing else is gone. More: then rows were deleted, or others corrected, and
      each stored row whose source row is gone or has a newer version is looked for and recomputed.
      A source row that no stored row uses may go without a trace: it changes no stored row.
    - a row that the last refresh read from a transaction at or after its horizon belongs to neither; the
      keys that it affects were noted (refresh_pending) and are recomputed.
    One pass over each table compares numbers, and where rows are gone a second one ids; the rest grows
    with what changed. Transaction numbers wrap around after four billion, so that an ancient row can
    look new: it is recomputed once more.

    Everything is recomputed where changes cannot be known: the first time, when the definition of the
    model or of a view below it changed, when the source is another table or has other partitions, is a
    view or a foreign table, or hides rows from the deploying role by a policy; and where more than a
    fifth of the rows changed. --full-refresh does so and also writes every row again, in order.
-#}
{% macro refresh_stored_rows(relation, names, sql) %}
    {%- set stored = stored_model(relation, names) -%}
set transaction isolation level repeatable read;
-- nobody else's objects are taken for ours or for Postgres's, and view definitions read the same every time
set local search_path = pg_catalog, pg_temp;
-- before the snapshot is taken: a second refresh waits, and then reads what the first one left
lock table {{ stored.state }} in share row exclusive mode;

do $refresh$
declare
    this_horizon constant xid8 := pg_snapshot_xmin(pg_current_snapshot());
    this_horizon_age constant integer := age(this_horizon::xid);
    -- every row is written again, or only those that differ
    is_rewrite boolean := {{ 'true' if should_full_refresh() else 'false' }};
    -- every row is recomputed, or only those of the keys that changes affect
    is_whole boolean;
    since_age integer;
    changed bigint;
    total bigint;
    lost bigint;
    found_columns text;
    wanted_columns text;
    removed bigint := 0;
    added bigint := 0;
begin
    {{ make_stored_table(stored, sql) }}
    is_rewrite := is_rewrite or not exists (select from {{ stored.relation }});

    {{ read_last_refresh(stored) }}
    is_whole := is_rewrite or exists (select from refresh_source where refresh_source.since_age is null);
    {% for source_name, id in stored.made_from.items() %}
    {{ find_changed_rows(stored, source_name, id) }}
    {% endfor %}
    is_whole := is_whole or (select sum(changed_rows) * 5 > sum(settled_rows + changed_rows) from refresh_source);

    {{ find_noted_keys(stored) }}
    {% for source_name, id in stored.made_from.items() %}
    {{ find_keys_of_changed_rows(stored, source_name, id) }}
    {{ find_keys_of_lost_rows(stored, source_name, id) }}
    {% endfor %}

    if is_rewrite then
        {{ rewrite_every_row(stored) }}
    elsif is_whole then
        {{ recompute_every_row(stored) }}
        {{ write_differences(stored) }}
    else
        {{ recompute_rows_of_keys(stored) }}
        {{ write_differences(stored) }}
    end if;

    {{ note_refresh(stored) }}
    if removed + added > 0 then
        analyze {{ stored.relation }};
    end if;
end
$refresh$;
{% endmacro %}


{#- A dictionary of what the parts of a refresh need to know about the stored model. -#}
{% macro stored_model(relation, names) %}
    {%- set meta = config.require('meta') -%}
    {%- set key = config.require('unique_key') -%}
    {%- set same_row = [same_columns('recomputed', 'stored', key)] -%}
    {%- for name in names if name not in key -%}
        {%- do same_row.append('recomputed.' ~ name ~ ' is not distinct from stored.' ~ name) -%}
    {%- endfor -%}
    {{ return({
        'relation': relation,
        'name': dbt.string_literal(model['name']),
        'columns': names,
        'column_list': names | join(', '),
        'key': key,
        'key_list': key | join(', '),
        'same_row': same_row | join(' and '),
        'made_from': meta['made_from'],
        'live': relation_of_model(model['depends_on']['nodes'], meta['live']),
        'origins': relation_of_model(model['depends_on']['nodes'], meta['origins']),
        'state': internal_schema() ~ '.refresh_state',
        'pending': internal_schema() ~ '.refresh_pending',
    }) }}
{% endmacro %}
