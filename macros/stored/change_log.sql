{#-
    Where the operational database keeps a log of its changes (a replication slot, fed by a publication of
    the same name: dbt var replication_slot), stored models learn from it what changed, and need not go
    through the whole tables. Postgres writes that log itself, behind every commit.

    collect_changes reads it at the start of a run, into refresh_change: which rows of which operational
    table each stored model still has to look at. Only then is the slot moved on, so that a run which
    ends at any point loses nothing; what is read twice is looked at twice.

    The log proves that nothing else changed just as long as nobody else moved it on and as it was fed
    all the time. refresh_log says how far we have read, under a log_id that is new whenever that is not so
    (another slot, one that somebody else read from, one that is gone). refresh_log_source says what feeds
    it with each table: that log_id, and what makes the publication hold the table. A model that was last
    refreshed under another feed works everything out anew (refresh_stored_rows).
-#}
{% macro create_change_log() %}
    create table if not exists {{ internal_schema() }}.refresh_log (
        slot_name name primary key,
        log_id uuid not null,
        -- what was committed before was written to refresh_change
        collected_to pg_lsn not null
    );
    create table if not exists {{ internal_schema() }}.refresh_log_source (
        source_name text primary key,
        relation oid not null,
        feed text not null
    );
    create table if not exists {{ internal_schema() }}.refresh_change (
        model_name text not null,
        source_name text not null,
        -- the source's id; null: all rows may have changed
        row_id text
    );
    {{ create_function(
        name='read_change_log',
        argument_types='name, pg_lsn, integer',
        arguments='slot name, up_to pg_lsn, batch integer',
        returns='TABLE(lsn pg_lsn, xid xid, message text, relation oid, row_id text)',
        volatility='volatile',
        body=read_change_log_body(),
        parallel='unsafe'
    ) }}
    {{ create_function(
        name='collect_changes',
        argument_types='name, jsonb, integer',
        arguments='slot name, made_from jsonb, batch integer, OUT problems text[], OUT is_done boolean, OUT changes bigint',
        returns='record',
        volatility='volatile',
        body=collect_changes_body(),
        parallel='unsafe'
    ) }}
{% endmacro %}


{#-
    Hook: collects what changed, and tells what stands in the way of that. Without a slot, or with one that
    does not do, stored models find their changes in the tables themselves.
-#}
{% macro collect_changes() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- if var('stored_facts') -%}
            {%- do collect_batches(var('replication_slot')) -%}
        {%- else -%}
            {%- do warn_of_unread_slots() -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#- Of the slot that is asked for, and of the one that runs with stored facts have read: without those nobody does. -#}
{% macro warn_of_unread_slots() %}
    {%- set refresh_log = load_relation(api.Relation.create(
        database=target.dbname, schema=generate_schema_name('internal', none), identifier='refresh_log'
    )) -%}
    {%- call statement('unread_slots', fetch_result=True) -%}
        select slot_name::text as slot_name
        from pg_catalog.pg_replication_slots
        where
            slot_name = {{ dbt.string_literal(var('replication_slot')) }}
            {%- if refresh_log %}
            or slot_name in (select slot_name from {{ refresh_log }})
            {%- endif %}
        order by slot_name
    {%- endcall -%}
    {%- for slot in load_result('unread_slots').table.columns['slot_name'].values() -%}
        {%- do exceptions.warn(
            "Nobody reads the replication slot " ~ slot ~ " without stored_facts, and it keeps the server's log of changes "
            ~ "from where it was last read. Have it dropped until stored_facts is back: "
            ~ "select pg_drop_replication_slot('" ~ slot ~ "');"
        ) -%}
    {%- endfor -%}
{% endmacro %}


{#- Batch after batch, each kept before the slot moves on. -#}
{% macro collect_batches(slot) %}
    {%- set progress = namespace(is_done=false, changes=0) -%}
    {#- what is left behind so many is read by the next run -#}
    {%- for _ in range(10000) if not progress.is_done -%}
        {%- call statement('collected', fetch_result=True) -%}
            select array_to_string(problems, chr(10)) as problems, is_done, changes
            from {{ internal_schema() }}.collect_changes(
                {{ dbt.string_literal(slot) }}, {{ dbt.string_literal(tojson(operational_tables_of_stored_models())) }}, {{ var('replication_batch') | int }}
            )
        {%- endcall -%}
        {%- set batch = load_result('collected').table.rows[0] -%}
        {%- do adapter.commit() -%}
        {%- if batch['problems'] -%}
            {%- do exceptions.warn(batch['problems']) -%}
        {%- endif -%}
        {%- if batch['is_done'] is not none -%}
            {%- call statement('slot_moved_on') -%}
                select pg_replication_slot_advance(slot_name, collected_to)
                from {{ internal_schema() }}.refresh_log
            {%- endcall -%}
            {%- do adapter.commit() -%}
        {%- endif -%}
        {%- set progress.changes = progress.changes + (batch['changes'] | int) -%}
        {#- null where there is no log -#}
        {%- set progress.is_done = batch['is_done'] is none or batch['is_done'] -%}
        {%- if not progress.is_done -%}
            {%- do log("Read " ~ progress.changes ~ " changes from the slot " ~ slot ~ ", and going on", info=True) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}


{#- {stored model: {operational table: its quoted name}} -#}
{% macro operational_tables_of_stored_models() %}
    {%- set tables = {} -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'incremental' -%}
        {%- set of_model = {} -%}
        {%- for source_name in node.config.meta['made_from'] -%}
            {%- do of_model.update({source_name: relation_of_source(source_name)}) -%}
        {%- endfor -%}
        {%- do tables.update({node.name: of_model}) -%}
    {%- endfor -%}
    {{ return(tables) }}
{% endmacro %}


{#-
    The messages of pgoutput, protocol version 1, as rows: B and C are the begin and the commit of a
    transaction, I, U and D rows of a table, whose column `id` is in row_id, old and new where it changed; T
    empties a table. row_id is null for T, and where a message does not say which row was meant: then any
    may be. Format: PostgreSQL's documentation, "Logical Replication Message Formats".
-#}
{% macro read_change_log_body() %}
    declare
        data bytea;
        -- of each table the place of id among the columns that are sent, and whether it names a row
        places jsonb := '{}';
        is_key_of jsonb := '{}';
        place integer;
        is_key boolean;
        at integer;
        columns integer;
        column_kind text;
        size integer;
        mark text;
        zero_byte constant bytea := decode('00', 'hex');
    begin
        for lsn, xid, data in
            select peeked.lsn, peeked.xid, peeked.data
            from pg_logical_slot_peek_binary_changes(
                slot, up_to, batch, 'proto_version', '1', 'publication_names', quote_ident(slot)
            ) as peeked
        loop
            message := chr(get_byte(data, 0));
            relation := null;
            row_id := null;
            if message = 'R' then
                relation := ({{ unsigned_integer('data', 1) }})::oid;
                place := null;
                is_key := false;
                -- behind the names of the schema and the table, each with a zero byte, and a byte on identity
                at := 5;
                at := at + position(zero_byte in substr(data, at + 1));
                at := at + position(zero_byte in substr(data, at + 1)) + 1;
                columns := get_byte(data, at) * 256 + get_byte(data, at + 1);
                at := at + 2;
                for number in 1..columns loop
                    size := position(zero_byte in substr(data, at + 2));
                    if substr(data, at + 2, size - 1) = 'id'::bytea then
                        place := number;
                        is_key := get_byte(data, at) & 1 = 1;
                    end if;
                    at := at + 1 + size + 8;
                end loop;
                places := jsonb_set(places, array[relation::text], coalesce(to_jsonb(place), 'null'));
                is_key_of := jsonb_set(is_key_of, array[relation::text], to_jsonb(is_key));
                relation := null;
                return next;

            elsif message = 'T' then
                for number in 1..{{ unsigned_integer('data', 1) }} loop
                    relation := ({{ unsigned_integer('data', '2 + 4 * number') }})::oid;
                    return next;
                end loop;

            elsif message in ('I', 'U', 'D') then
                relation := ({{ unsigned_integer('data', 1) }})::oid;
                place := places ->> relation::text;
                is_key := is_key_of ->> relation::text;
                if place is null or (message <> 'I' and not is_key) then
                    return next;
                    continue;
                end if;
                at := 5;
                -- the new row, behind the old one where that is sent
                while at < length(data) loop
                    mark := chr(get_byte(data, at));
                    columns := get_byte(data, at + 1) * 256 + get_byte(data, at + 2);
                    at := at + 3;
                    row_id := null;
                    for number in 1..columns loop
                        column_kind := chr(get_byte(data, at));
                        at := at + 1;
                        if column_kind = 't' then
                            size := {{ unsigned_integer('data', 'at') }};
                            if number = place then
                                row_id := convert_from(substr(data, at + 5, size), pg_client_encoding());
                                -- nothing of interest behind it, but the new row behind an old one
                                exit when mark = 'N' or message = 'D';
                            end if;
                            at := at + 4 + size;
                        end if;
                    end loop;
                    return next;
                    exit when mark = 'N' or message = 'D';
                end loop;

            else
                -- every message is a row, so that a full batch is told from the end of the log
                return next;
            end if;
        end loop;
    end
{% endmacro %}


{#- SQL: the four bytes at an offset of a bytea as a number, the highest byte first. -#}
{% macro unsigned_integer(bytes, offset) -%}
(get_byte({{ bytes }}, {{ offset }})::bigint << 24)
{%- for shift in (16, 8, 0) %} + (get_byte({{ bytes }}, {{ offset }} + {{ loop.index }}) << {{ shift }}){% endfor %}
{%- endmacro %}


{#-
    Reads a batch of the log into refresh_change. is_done is false when there is more, and null when there
    is no log to read from: problems then says why. problems may name single tables, too.

    Read is what was there at the call, up to the first transaction whose commit is in the log and not yet
    seen by others (it may be waiting for a replica): the refresh that follows must see what it looks at.
-#}
{% macro collect_changes_body() %}
    declare
        -- the slot's own columns differ between versions
        found jsonb;
        feeding record;
        last_log record;
        up_to constant pg_lsn := pg_current_wal_flush_lsn();
        next_xid numeric;
        read_up_to pg_lsn;
        is_cut boolean;
        advice text;
        -- ids are all that is read; version 14 sends whole rows
        only_id constant text := case when current_setting('server_version_num')::integer < 150000 then '' else ' (id)' end;
    begin
        problems := '{}';
        changes := 0;
        -- no refresh looks, and nobody else reads, meanwhile
        lock table {{ internal_schema() }}.refresh_state in share row exclusive mode;

        select to_jsonb(pg_replication_slots) into found from pg_catalog.pg_replication_slots where slot_name = slot;
        select
            pg_publication.oid,
            pg_publication.xmin,
            puballtables,
            pubviaroot,
            pubinsert and pubupdate and pubdelete and pubtruncate as is_all
        into feeding
        from pg_catalog.pg_publication where pubname = slot;
        select * into last_log from {{ internal_schema() }}.refresh_log;

        if slot <> '' then
            advice := format(
                'Stored facts find their changes in the tables themselves meanwhile. To have the log read, an '
                'administrator of the operational database runs:' || chr(10)
                || case when found is null then '' else '  select pg_drop_replication_slot(%1$L);' || chr(10) end
                || case when feeding.oid is null then '  create publication %1$I for table %2$s with (publish_via_partition_root = true);' || chr(10) else '' end
                || '  select pg_create_logical_replication_slot(%1$L, ''pgoutput'');',
                slot,
                (
                    select string_agg(distinct operational.relation::regclass || only_id, ', ')
                    from jsonb_each(made_from) as model (model_name, sources)
                    cross join jsonb_each_text(model.sources) as operational (source_name, relation)
                )
            );
            problems := case
                when current_setting('wal_level') <> 'logical' then array[format(
                    'The server keeps no log for the slot %s: wal_level is %s. Set it to logical and restart the server.',
                    slot, current_setting('wal_level')
                )]
                when found is null then array[format('There is no replication slot %s.', slot)]
                when found ->> 'plugin' is distinct from 'pgoutput' or found ->> 'database' is distinct from current_database()
                    then array[format(
                        'The replication slot %s is of %s in the database %s, not of pgoutput in %s.',
                        slot, coalesce(found ->> 'plugin', 'no plugin'), coalesce(found ->> 'database', '(none)'), current_database()
                    )]
                when found ->> 'wal_status' = 'lost' or found ->> 'invalidation_reason' is not null then array[format(
                    'The replication slot %s has lost part of its log (%s).',
                    slot, coalesce(found ->> 'invalidation_reason', 'more than max_slot_wal_keep_size')
                )]
                when feeding.oid is null then array[format('There is no publication %s to feed the slot of that name.', slot)]
                when not feeding.is_all then array[format(
                    'The publication %s leaves out some kinds of changes: alter publication %I set (publish = %L);',
                    slot, slot, 'insert, update, delete, truncate'
                )]
                else '{}'
            end;
        end if;
        if slot = '' or problems <> '{}' then
            if problems <> '{}' then
                problems := problems || advice;
            end if;
            if last_log.slot_name is not null and last_log.slot_name <> slot then
                problems := problems || format(
                    'The slot %s is not read any more. Where it is not to be read again, have it dropped, since it '
                    'keeps the server''s log: select pg_drop_replication_slot(%L);', last_log.slot_name, last_log.slot_name
                );
            end if;
            if last_log.slot_name is not null then
                delete from {{ internal_schema() }}.refresh_log;
                delete from {{ internal_schema() }}.refresh_log_source;
                delete from {{ internal_schema() }}.refresh_change;
            end if;
            return;
        end if;

        if last_log.slot_name is distinct from slot or (found ->> 'confirmed_flush_lsn')::pg_lsn > last_log.collected_to then
            delete from {{ internal_schema() }}.refresh_log;
            insert into {{ internal_schema() }}.refresh_log (slot_name, log_id, collected_to)
            values (slot, gen_random_uuid(), (found ->> 'confirmed_flush_lsn')::pg_lsn)
            returning * into last_log;
        end if;

        create temporary table log_source on commit drop as
        with operational as (
            select distinct source_name, relation::regclass::oid as relation
            from jsonb_each(made_from) as model (model_name, sources)
            cross join jsonb_each_text(model.sources) as of_model (source_name, relation)
        ),

        listed as (
            select
                pg_publication_rel.prrelid,
                pg_publication_rel.oid || '/' || pg_publication_rel.xmin as feed,
                -- rows that the publication leaves out (a column of version 15 and later)
                to_jsonb(pg_publication_rel) ->> 'prqual' is null as is_whole
            from pg_catalog.pg_publication_rel
            where pg_publication_rel.prpubid = feeding.oid
        )

        select
            operational.source_name,
            operational.relation,
            case
                when feeding.puballtables or listed.is_whole
                    then concat_ws('/', last_log.log_id, operational.relation, feeding.oid, feeding.xmin, listed.feed)
            end as feed
        from operational
        left join listed on operational.relation = listed.prrelid;

        delete from {{ internal_schema() }}.refresh_log_source;
        insert into {{ internal_schema() }}.refresh_log_source (source_name, relation, feed)
        select source_name, relation, feed from pg_temp.log_source where feed is not null;
        problems := array(
            select format(
                'The publication %s does not hold all rows of %s, which stored facts then look for in the table '
                'itself. An administrator may add it: alter publication %I add table %s;',
                slot,
                log_source.relation::regclass,
                slot,
                -- a part of the columns of a partitioned table goes with the name of the whole table alone
                log_source.relation::regclass || case when feeding.pubviaroot or pg_class.relkind <> 'p' then only_id else '' end
            )
            from pg_temp.log_source
            inner join pg_catalog.pg_class on log_source.relation = pg_class.oid
            where log_source.feed is null
            order by log_source.source_name
        );

        -- what a model has not looked at for another feed, or was not kept for it, it has to look for itself
        delete from {{ internal_schema() }}.refresh_state
        where
            feed is not null
            and not exists (
                select from pg_temp.log_source
                where
                    made_from -> refresh_state.model_name ? log_source.source_name
                    and log_source.source_name = refresh_state.source_name
                    and log_source.feed = refresh_state.feed
            );
        delete from {{ internal_schema() }}.refresh_change
        where
            not exists (
                select from {{ internal_schema() }}.refresh_state
                where
                    refresh_state.model_name = refresh_change.model_name
                    and refresh_state.source_name = refresh_change.source_name
                    and refresh_state.feed is not null
            );

        create temporary table log_part on commit drop as
        with recursive part (source_name, relation) as (
            {{ tables_and_partitions('select source_name, relation from pg_temp.log_source where feed is not null') }}
        )

        select source_name, relation from part;

        create temporary table log_message on commit drop as
        select row_number() over () as number, read.*
        from {{ internal_schema() }}.read_change_log(slot, up_to, batch) as read;

        -- a transaction's number in full: the one within two thousand million of the next
        next_xid := pg_snapshot_xmax(pg_current_snapshot())::text::numeric;
        with begun as (
            select
                number,
                next_xid - next_xid % 4294967296 + xid::text::numeric as full_xid
            from pg_temp.log_message
            where message = 'B'
        ),

        waiting as (
            select min(number) as number
            from begun
            where not pg_visible_in_snapshot(
                (full_xid + 4294967296 * case
                    when full_xid > next_xid + 2147483648 then -1
                    when full_xid < next_xid - 2147483648 then 1
                    else 0
                end)::text::xid8,
                pg_current_snapshot()
            )
        ),

        left_for_later as (
            delete from pg_temp.log_message
            using waiting
            where log_message.number >= waiting.number
            returning log_message.number
        )

        select count(*) > 0 into is_cut from left_for_later;

        select max(lsn) filter (where message = 'C'), count(relation)
        into read_up_to, changes
        from pg_temp.log_message;
        -- a batch ends behind the transaction with which it is full
        is_done := is_cut or (select count(*) from pg_temp.log_message) < batch;

        insert into {{ internal_schema() }}.refresh_change (model_name, source_name, row_id)
        select distinct
            model.model_name,
            log_part.source_name,
            log_message.row_id
        from pg_temp.log_message
        inner join pg_temp.log_part on log_message.relation = log_part.relation
        inner join {{ internal_schema() }}.refresh_state as model
            on log_part.source_name = model.source_name and model.feed is not null;

        update {{ internal_schema() }}.refresh_log
        set collected_to = greatest(collected_to, case when is_done and not is_cut then up_to else read_up_to end);
        drop table pg_temp.log_source, pg_temp.log_part, pg_temp.log_message;
    end
{% endmacro %}
