{#-
    SQL that brings a stored table to what its model's query gives now, in one transaction: readers see
    the state before or the state after, and a refresh that fails leaves the state before.

    stored: what stored_model says of the model; its tables are there (make_stored_tables)
    The model's config says the rest, in meta:
    key:       the columns that name what is recomputed together, a row or several; never null
    order:     the columns in whose order rows are written: the student first, then time
    indexes:   lists of columns, each of which gets an index; one on the key is there anyway. One on the student alone
               is small, and leads through a student's rows in the order in which they lie
    live:      the model that the query selects from. It also has a column for each of made_from
    made_from: {source: column of live}: what the rows are made from: an operational table, or another stored model
               with one column in its key. The column holds the id of the source's row that a row uses; one whose
               name ends in _ids, a list of them. They are in a table of their own, which no reader's query touches
    origins:   the model that says which keys a source's row affects: the columns of the key, and for each source one of
               that name, without the s of a list
    affects_several: sources of which a row says itself which keys it affects, and says several
    whole_by:  small operational tables: when one has other rows than before, everything is recomputed
    students:  for the first fill, a model whose student_id names every student with rows

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
{% macro refresh_stored_rows(stored) %}
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
    -- the table was filled in batches, while rows went and came: see fill_stored_rows
    is_filled constant boolean := exists (select from {{ stored.fill }} where model_name = {{ stored.name }});
    since_age integer;
    changed bigint;
    total bigint;
    lost bigint;
    removed bigint := 0;
    added bigint := 0;
    {%- if stored.is_sharded %}
    {{- declare_shards() }}
    {%- endif %}
begin
    {{ find_what_changed(stored) }}

    if is_rewrite then
        {{ rewrite_every_row(stored) }}
    elsif is_whole then
        {{ recompute_every_row(stored) }}
        {{ write_differences(stored) }}
    else
        {{ recompute_rows_of_keys(stored) }}
        {{ write_differences(stored) }}
    end if;

    {{ note_what_was_done(stored) }}
end
$refresh$;
{% endmacro %}


{#- PL/pgSQL: whether everything is recomputed, and if not, the keys of what is (refresh_key). -#}
{% macro find_what_changed(stored) %}
    create temporary table refresh_row on commit drop as
    select {{ stored.all_columns | join(', ') }}
    from {{ stored.live }}
    with no data;
    is_rewrite := (is_rewrite or not exists (select from {{ stored.relation }})) and not is_filled;

    {{ read_last_refresh(stored) }}
    is_whole := is_rewrite or exists (select from refresh_source where refresh_source.since_age is null);
    {%- if stored.is_sharded %}
    {{ compare_marks(stored) }}
    is_whole := is_whole or is_torn;
    {%- endif %}
    {% for source in stored.sources %}
    {{ find_changed_rows(stored, source) }}
    {% endfor %}
    is_whole := is_whole or (select sum(changed_rows) * 5 > sum(settled_rows + changed_rows) from refresh_source);

    {{ find_noted_keys(stored) }}
    {% for source in stored.sources %}
    {{ find_keys_of_changed_rows(stored, source) }}
    {{ find_keys_of_lost_rows(stored, source) }}
    {% endfor %}
{% endmacro %}


{#- PL/pgSQL: notes what was read and written, for the next refresh, and has Postgres look at what is new. -#}
{% macro note_what_was_done(stored) %}
    {%- if stored.is_sharded %}
    {{ write_marks(stored) }}
    {%- endif %}
    if is_filled then
        is_whole := true;
        select added + sum(rows) into added from {{ stored.fill }} where model_name = {{ stored.name }};
    end if;
    {{ note_refresh(stored) }}
    if removed + added > 0 then
        {%- if stored.is_sharded %}
        {{ analyze_partitions(stored) }}
        {%- else %}
        analyze {{ stored.relation }};
        {%- endif %}
    end if;
    if is_whole or is_filled then
        analyze {{ stored.ids }};
    end if;
{% endmacro %}


{#- A dictionary of what the parts of a refresh need to know about the stored model. -#}
{% macro stored_model(relation, names) %}
    {%- set meta = config.require('meta') -%}
    {%- set sources = [] -%}
    {%- set id_names = [] -%}
    {%- for name, used in meta['made_from'].items() -%}
        {%- set is_list = used.endswith('_ids') -%}
        {%- set id = used[:-1] if is_list else used -%}
        {%- set operational = relation_of_source(name) -%}
        {%- do sources.append({
            'name': name,
            'relation': operational or relation_of_model(name),
            'row_id': 'id' if operational else id,
            'id': id,
            'used': used,
            'is_list': is_list,
            'affects_one': name not in meta.get('affects_several', []),
        }) -%}
        {%- if used not in meta['key'] -%}
            {%- do id_names.append(used) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({
        'relation': relation,
        'is_sharded': is_sharded(meta),
        'ids': relation.incorporate(path={'identifier': relation.identifier ~ '_ids'}),
        'name': dbt.string_literal(model['name']),
        'columns': names,
        'column_list': names | join(', '),
        'key': meta['key'],
        'key_list': meta['key'] | join(', '),
        'ids_columns': meta['key'] + (['student_id'] if is_sharded(meta) and 'student_id' not in meta['key'] else []) + id_names,
        'all_columns': names + (id_names | reject('in', names) | list),
        'order_list': (meta['order'] + meta['key']) | unique | join(', '),
        'indexes': [meta['key']] + meta.get('indexes', []),
        'sources': sources,
        'whole_by': meta.get('whole_by', []),
        'live': relation_of_model(meta['live']),
        'origins': relation_of_model(meta['origins']),
        'students': relation_of_model(meta['students']) if 'students' in meta,
        'state': internal_schema() ~ '.refresh_state',
        'pending': internal_schema() ~ '.refresh_pending',
        'fill': internal_schema() ~ '.refresh_fill',
    }) }}
{% endmacro %}
