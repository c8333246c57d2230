{#-
    The views that were deployed, so that a later run can tell what has changed. For each view the table has a
    hash of the SQL that it was made from, a hash of its definition in the database, and the names of what it
    reads. The first shows a change in the project, the second a change by hand, the third a change of the tables
    (macro create_reads_of_view_function). Written in the transaction that creates the view.
-#}
{% macro create_deployed_view() %}
    create table if not exists {{ internal_schema() }}.deployed_view (
        schema_name name not null,
        view_name name not null,
        sql_hash text not null,
        definition_hash text not null,
        reads text[],
        primary key (schema_name, view_name)
    );
    do $add_reads$
    begin
        -- of a version that did not note them
        if not exists (
            select from pg_catalog.pg_attribute
            where attrelid = '{{ internal_schema() }}.deployed_view'::regclass and attname = 'reads'
        ) then
            alter table {{ internal_schema() }}.deployed_view add column reads text[];
        end if;
    end
    $add_reads$;
{% endmacro %}


{#-
    A hash of everything that a view is made from: its query, its options, and the columns that a contract
    promises. The database's name is left out, so that a database may be copied or renamed.
-#}
{% macro hash_of_view(sql, options) -%}
    {%- set contract = [] -%}
    {%- if config.get('contract').enforced -%}
        {%- for name, column in model.columns.items() -%}
            {%- do contract.append(name ~ ' ' ~ column.data_type) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set anywhere = sql | replace(adapter.quote(target.dbname) ~ '.', '') -%}
    {{ return(local_md5([anywhere, options, contract | join(', ')] | join('\n'))) }}
{%- endmacro %}


{#-
    SQL expression: a hash of a view as it stands in the catalog. Its query in Postgres's own form,
    which unlike pg_get_viewdef's depends on no search_path; its columns' names, its options, its owner.
-#}
{% macro definition_hash(view_oid) -%}
    (
        select encode(
            sha256(
                convert_to(
                    concat_ws(
                        e'\n',
                        (
                            select pg_rewrite.ev_action::text from pg_catalog.pg_rewrite
                            where pg_rewrite.ev_class = {{ view_oid }} and pg_rewrite.rulename = '_RETURN'
                        ),
                        (
                            select string_agg(pg_attribute.attname, ',' order by pg_attribute.attnum)
                            from pg_catalog.pg_attribute
                            where pg_attribute.attrelid = {{ view_oid }} and pg_attribute.attnum > 0
                        ),
                        (
                            select string_agg(reloption.text, ',' order by reloption.text collate "C")
                            from unnest(hashed.reloptions) as reloption (text)
                        ),
                        hashed.relowner
                    ),
                    'UTF8'
                )
            ),
            'hex'
        )
        from pg_catalog.pg_class as hashed
        where hashed.oid = {{ view_oid }}
    )
{%- endmacro %}


{#-
    The state of a view in the database: kind (none if it is missing), view_oid, is_current (made from this SQL
    and not altered since), lacks_grant (a published view that timeback_reader may not select from),
    lacks_comments (the columns whose comment is not their description, separated by commas; * stands for the
    view itself). Reads only PostgreSQL's catalog and takes no lock on the view.
-#}
{% macro deployed_state(relation, sql_hash, is_published) -%}
    {%- set comments = wanted_comments() -%}
    {%- call statement('deployed_state', fetch_result=True) -%}
        select
            pg_class.relkind::text as kind,
            pg_class.oid::bigint as view_oid,
            coalesce(
                deployed_view.sql_hash = '{{ sql_hash }}'
                and deployed_view.definition_hash = {{ definition_hash('pg_class.oid') }}
                and deployed_view.reads = {{ internal_schema() }}.reads_of_view(pg_class.oid),
                false
            ) as is_current,
            {{ lacks_readers_grant('pg_class') if is_published else 'false' }} as lacks_grant,
            {{ lacking_comments('pg_class.oid', comments) if comments else "''" }} as lacking_comments
        from (select to_regclass('{{ relation.include(database=false) }}')::oid as oid) as found
        left join pg_catalog.pg_class on found.oid = pg_class.oid
        left join {{ internal_schema() }}.deployed_view
            on
                deployed_view.schema_name = '{{ relation.schema }}'
                and deployed_view.view_name = '{{ relation.identifier }}'
    {%- endcall -%}
    {%- set row = load_result('deployed_state').table.rows[0] -%}
    {{ return({
        'kind': row['kind'],
        'view_oid': row['view_oid'],
        'is_current': row['is_current'],
        'lacks_grant': row['lacks_grant'],
        'lacks_comments': row['lacking_comments'],
    }) }}
{%- endmacro %}


{#- Condition: whether a published view is one that timeback_reader, where there is such a role, may not select from. -#}
{% macro lacks_readers_grant(view) -%}
    coalesce(
        exists (select from pg_catalog.pg_roles where pg_roles.rolname = 'timeback_reader')
        -- the role's own right: one that everybody has may be taken from everybody
        and not exists (
            select from aclexplode({{ view }}.relacl) as granted
            inner join pg_catalog.pg_roles on granted.grantee = pg_roles.oid
            where pg_roles.rolname = 'timeback_reader' and granted.privilege_type = 'SELECT'
        ),
        false
    )
{%- endmacro %}


{#- SQL expression: the names of the columns whose comment is not the wanted one, with commas, * for the view itself. -#}
{% macro lacking_comments(view_oid, comments) -%}
    array_to_string(
        array(
            select wanted.column_name
            from (
                values
                {%- for name, comment in comments.items() %}
                ({{ dbt.string_literal(dbt.escape_single_quotes(name)) }}, {{ postgres_escape_comment(comment) }}){{ ',' if not loop.last }}
                {%- endfor %}
            ) as wanted (column_name, comment)
            left join pg_catalog.pg_attribute
                on {{ view_oid }} = pg_attribute.attrelid and wanted.column_name = pg_attribute.attname
            left join pg_catalog.pg_description
                on
                    {{ view_oid }} = pg_description.objoid
                    and pg_description.classoid = 'pg_catalog.pg_class'::regclass
                    and coalesce(pg_attribute.attnum, 0) = pg_description.objsubid
            where
                {{ view_oid }} is not null
                and (pg_attribute.attnum > 0 or wanted.column_name = '*')
                and pg_description.description is distinct from nullif(wanted.comment, '')
        ),
        ','
    )
{%- endmacro %}


{#- {column: comment} of the model, * for the view itself: its descriptions, if persist_docs asks for them. -#}
{% macro wanted_comments() -%}
    {%- set comments = {} -%}
    {%- if config.persist_relation_docs() -%}
        {%- do comments.update({'*': model.description}) -%}
    {%- endif -%}
    {%- if config.persist_column_docs() -%}
        {%- for name, column in model.columns.items() -%}
            {%- do comments.update({name: column.description}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(comments) }}
{%- endmacro %}
