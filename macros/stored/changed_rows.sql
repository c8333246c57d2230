{#-
    PL/pgSQL of a refresh: the temporary table changed_<source>, the ids of an operational table's rows that are
    new or corrected since the last refresh. is_unsettled marks those of transactions that may still have others
    running beside them. When every row is recomputed, the unsettled ones are all that is looked for.
-#}
{% macro find_changed_rows(stored, source) %}
    create temporary table changed_{{ source.name }} on commit drop as
    select
        {{ source.row_id }} as row_id,
        false as is_unsettled
    from {{ source.relation }}
    with no data;
    select case when is_whole then this_horizon_age else refresh_source.since_age end
    into since_age
    from refresh_source
    where refresh_source.source_name = '{{ source.name }}' and refresh_source.fingerprint is not null;
    if found then
        -- counted with the same pass: count(*) alone would go through an index, and from there to every row
        -- of a page that was not vacuumed yet
        select
            count(*),
            count(*) filter (where {{ is_changed('source', 'since_age') }})
        into total, changed
        from {{ source.relation }} as source;
        if changed > 0 then
            insert into changed_{{ source.name }} (row_id, is_unsettled)
            select
                source.{{ source.row_id }},
                {{ is_changed('source', 'this_horizon_age') }}
            from {{ source.relation }} as source
            where {{ is_changed('source', 'since_age') }};
        end if;
        update refresh_source
        set
            settled_rows = total - (select count(*) from changed_{{ source.name }} as changed_row where changed_row.is_unsettled),
            changed_rows = changed,
            lost_rows = refresh_source.last_settled_rows - (total - changed)
        where refresh_source.source_name = '{{ source.name }}';
        analyze changed_{{ source.name }};
    end if;
{% endmacro %}


{#- SQL condition: a row was written by a transaction at or after the horizon of that age. The cheaper half first. -#}
{% macro is_changed(alias, horizon_age) -%}
    age({{ alias }}.xmin) <= {{ horizon_age }} and age({{ alias }}.xmin) >= 0
{%- endmacro %}


{#-
    PL/pgSQL of a refresh: the temporary table refresh_key, the keys of the rows to recompute. Here, those that
    the last refresh noted; also in noted_key, since it did not count their rows.
-#}
{% macro find_noted_keys(stored) %}
    create temporary table refresh_key on commit drop as
    select
        {{ stored.key_list }},
        false as is_unsettled
    from refresh_row
    with no data;

    create temporary table noted_key on commit drop as
    select distinct
        {{ qualified('noted', stored.key) }}
    from {{ stored.pending }} as pending
    cross join lateral jsonb_populate_record(null::{{ stored.relation }}, pending.row_key) as noted
    where pending.model_name = {{ stored.name }};
    if not is_whole then
        insert into refresh_key ({{ stored.key_list }}, is_unsettled)
        select
            {{ stored.key_list }},
            false
        from noted_key;
    end if;
{% endmacro %}


{#- PL/pgSQL of a refresh: adds the keys that the changed rows of an operational table affect, also in origin_<source>. -#}
{% macro find_keys_of_changed_rows(stored, source) %}
    create temporary table origin_{{ source.name }} on commit drop as
    select
        {{ qualified('origin', stored.key) }},
        changed_row.row_id,
        changed_row.is_unsettled
    from changed_{{ source.name }} as changed_row
    cross join lateral (
        select {{ stored.key_list }}
        from {{ stored.origins }} as of_row
        where of_row.{{ source.id }} = changed_row.row_id
        -- one at a time, by index
        offset 0
    ) as origin
    where changed_row.is_unsettled or not is_whole;
    analyze origin_{{ source.name }};
    insert into refresh_key ({{ stored.key_list }}, is_unsettled)
    select
        {{ stored.key_list }},
        is_unsettled
    from origin_{{ source.name }};
{% endmacro %}


{#-
    PL/pgSQL of a refresh: adds the keys of stored rows whose row in an operational table is gone or was
    replaced by a newer version that no longer affects the key.
-#}
{% macro find_keys_of_lost_rows(stored, source) %}
    if not is_whole then
        select refresh_source.lost_rows, refresh_source.since_age
        into lost, since_age
        from refresh_source
        where refresh_source.source_name = '{{ source.name }}';
        {%- if source.affects_one %}
        -- a stored row that uses a row which is among the changed ones: corrected, and looked at already.
        -- Those noted last time were not counted then.
        select lost - count(distinct origin.row_id)
        into lost
        from origin_{{ source.name }} as origin
        inner join {{ stored.ids }} as used
            on
                {{ same_columns('origin', 'used', stored.key) }}
                and origin.row_id = {{ 'any(used.' ~ source.used ~ ')' if source.is_list else 'used.' ~ source.used }}
        where not exists (
            select
            from noted_key
            where {{ same_columns('noted_key', 'origin', stored.key) }}
        );
        {%- endif %}
        if lost <> 0 or is_filled then
            insert into refresh_key ({{ stored.key_list }}, is_unsettled)
            select
                {{ qualified('used', stored.key) }},
                false
            from {{ stored.ids }} as used
            {%- if source.is_list %}
            cross join lateral unnest(used.{{ source.used }}) as used_row (row_id)
            {%- endif %}
            {%- set row_id = 'used_row.row_id' if source.is_list else 'used.' ~ source.used %}
            where
                {{ row_id }} is not null
                and not exists (
                    select
                    from {{ source.relation }} as source
                    where source.{{ source.row_id }} = {{ row_id }} and not ({{ is_changed('source', 'since_age') }})
                );
        end if;
    end if;
{% endmacro %}
