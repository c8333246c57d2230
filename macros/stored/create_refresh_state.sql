{#-
    What a stored model knows of its last refresh: of each operational table that it is made from, how far
    it was read, and which of its rows that refresh read from transactions that may still have had
    others running beside them. Made at the start of dbt run and dbt build where facts are stored.
-#}
{% macro create_refresh_state() %}
    {%- if execute and flags.WHICH in ('run', 'build') and var('stored_facts') -%}
        {%- call statement('refresh_state') -%}
            create table if not exists {{ internal_schema() }}.refresh_state (
                model_name text not null,
                source_name text not null,
                -- what the stored rows rest on beside the rows of the source; null where changes cannot be told
                fingerprint text,
                -- what feeds the log that changes are read from (refresh_log_source); null where there is none, and
                -- the table itself was looked through
                feed text,
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
                refreshed_at timestamptz not null,
                primary key (model_name, source_name)
            );
            create table if not exists {{ internal_schema() }}.refresh_pending (
                model_name text not null,
                row_key jsonb not null
            );
            do $add_feed$
            begin
                -- made by an earlier release
                if not exists (
                    select from pg_catalog.pg_attribute
                    where attrelid = '{{ internal_schema() }}.refresh_state'::regclass and attname = 'feed'
                ) then
                    alter table {{ internal_schema() }}.refresh_state add column feed text;
                end if;
            end
            $add_feed$;
            {{ create_change_log() }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}
