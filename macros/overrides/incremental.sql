{#-
    dbt's own incremental materialization looks at a model's new rows alone, and swaps the whole table,
    dropping the old one with CASCADE, on --full-refresh and for new columns: deleted and corrected
    rows stay as they were, readers meet errors, and the views on the table go. This one brings the
    table to what the model's query gives now, in place and in one transaction, from the rows that
    changed: see refresh_stored_rows. The first time it fills the table in batches: see fill_stored_rows.
-#}
{%- materialization incremental, adapter='postgres' -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- if existing_relation is not none and not existing_relation.is_table -%}
        {%- do exceptions.raise_compiler_error(
            target_relation ~ " is a " ~ existing_relation.type ~ ", and " ~ model['name'] ~ " wants a table there. Drop it first."
        ) -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- do check_parents_are_deployed() -%}
    {%- set columns = get_column_schema_from_query(sql) | map(attribute='name') | list -%}
    {%- set stored = stored_model(target_relation, columns) -%}
    {%- if existing_relation is not none and adapter.get_columns_in_relation(existing_relation) | map(attribute='name') | sort != columns | sort -%}
        {%- do log(model['name'] ~ " has other columns than before, so that all of it is recomputed", info=True) -%}
    {%- endif -%}
    {%- call statement('tables') -%}
        {{ make_stored_tables(stored) }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {%- do fill_stored_rows(stored) -%}
    {#- ends the transaction of the last question: the refresh sets the isolation level of its own first -#}
    {%- call statement('end_of_questions', auto_begin=False) -%}
        commit
    {%- endcall -%}

    {% call statement('main') -%}
        {{ refresh_stored_rows(stored) }}
    {%- endcall %}
    {% do persist_docs(target_relation, model) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization -%}

