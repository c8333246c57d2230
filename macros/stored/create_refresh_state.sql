{#-
    What a stored model knows of its last refresh: of each operational table that it is made from, how far
    it was read, and which of its rows that refresh read from transactions that may still have had
    others running beside them. Made at the start of dbt run and dbt build where facts are stored.
-#}
{% macro create_refresh_state() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- do remove_change_log() -%}
        {%- do drop_stored_entries() -%}
        {%- if var('stored_facts') -%}
            {%- call statement('refresh_state') -%}
                create table if not exists {{ internal_schema() }}.refresh_state (
                    model_name text not null,
                    source_name text not null,
                    -- what the stored rows rest on beside the rows of the source; null where changes cannot be known
                    fingerprint text,
                    -- transactions before this one had ended
                    horizon xid8 not null,
                    -- rows that they wrote
                    settled_rows bigint not null,
                    -- rows of the source that the refresh found new or corrected
                    changed_rows bigint not null,
                    -- rows that it removed from the stored table, and rows that it added
                    removed_rows bigint not null,
                    added_rows bigint not null,
                    is_whole boolean not null,
                    -- null while the table is filled for the first time
                    refreshed_at timestamptz,
                    primary key (model_name, source_name)
                );
                create table if not exists {{ internal_schema() }}.refresh_pending (
                    model_name text not null,
                    row_key jsonb not null
                );
                -- the batches of a first fill that is under way: the students of each, as text
                create table if not exists {{ internal_schema() }}.refresh_fill (
                    model_name text not null,
                    batch integer not null,
                    first_student text,
                    next_student text,
                    -- that were written; null until then
                    rows bigint,
                    primary key (model_name, batch)
                );
                do $earlier$
                begin
                    if exists (
                        select from pg_catalog.pg_attribute
                        where
                            attrelid = '{{ internal_schema() }}.refresh_state'::regclass
                            and attname = 'refreshed_at'
                            and attnotnull
                    ) then
                        alter table {{ internal_schema() }}.refresh_state alter column refreshed_at drop not null;
                    end if;
                end
                $earlier$;
            {%- endcall -%}
            {%- do adapter.commit() -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#-
    Version 0.1 could read changes from a replication slot. What it made for that is removed from the internal
    schema, and notes of refreshes that read from it no longer count. A slot is an administrator's, and keeps the
    server's log until the disk is full: each run warns of one until it is dropped.
-#}
{% macro remove_change_log() %}
    {%- set schema = generate_schema_name('internal', none) -%}
    {%- set refresh_log = load_relation(api.Relation.create(database=target.dbname, schema=schema, identifier='refresh_log')) -%}
    {%- if refresh_log -%}
        {%- call statement('slots_that_nobody_reads', fetch_result=True) -%}
            select slot_name::text as slot_name
            from pg_catalog.pg_replication_slots
            inner join {{ refresh_log }} using (slot_name)
        {%- endcall -%}
        {%- set slots = load_result('slots_that_nobody_reads').table.columns['slot_name'].values() -%}
        {%- for slot in slots -%}
            {%- do exceptions.warn(
                "The replication slot " ~ slot ~ " is no longer read: stored facts find changes without it. It keeps the "
                ~ "server's log until the disk is full. Drop it: select pg_drop_replication_slot('" ~ slot ~ "');"
            ) -%}
        {%- endfor -%}
        {%- call statement('change_log_removed') -%}
            drop table if exists {{ internal_schema() }}.refresh_change, {{ internal_schema() }}.refresh_log_source;
            drop function if exists {{ internal_schema() }}.read_change_log(name, pg_lsn, integer);
            drop function if exists {{ internal_schema() }}.collect_changes(name, jsonb, integer);
            do $notes$
            begin
                if exists (
                    select from pg_catalog.pg_attribute
                    where attrelid = to_regclass('{{ internal_schema() }}.refresh_state') and attname = 'feed' and not attisdropped
                ) then
                    delete from {{ internal_schema() }}.refresh_state where feed is not null;
                    alter table {{ internal_schema() }}.refresh_state drop column feed;
                end if;
            end
            $notes$;
            {%- if not slots %}
            drop table {{ refresh_log }};
            {%- endif %}
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}


{#-
    Version 0.1 stored XP entries, where totals are stored now. The table goes as soon as no view reads it any more,
    which is in the run after the first one of this version.
-#}
{% macro drop_stored_entries() %}
    {%- set schema = generate_schema_name('internal', none) -%}
    {%- set entries = load_relation(api.Relation.create(database=target.dbname, schema=schema, identifier='int_xp_entry_stored')) -%}
    {%- if entries -%}
        {%- call statement('stored_entries') -%}
            do $entries$
            begin
                drop table {{ entries }};
                if to_regclass('{{ internal_schema() }}.refresh_state') is not null then
                    delete from {{ internal_schema() }}.refresh_state where model_name = 'int_xp_entry_stored';
                    delete from {{ internal_schema() }}.refresh_pending where model_name = 'int_xp_entry_stored';
                end if;
            exception when dependent_objects_still_exist then
                null;
            end
            $entries$;
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}
