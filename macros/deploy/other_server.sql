{#-
    A binding knows its role by name and by number (oid), and on another server the numbers say nothing: that of a bound
    role may be anybody's there. So each run notes on which server it was, by what PostgreSQL calls its system identifier, and
    the first one after a restore takes the numbers of the former server away, whereupon roles that are marked as bound get
    their own (mend_bindings). Until then such a role sees nothing, and neither does a role that now has its oid.
-#}
{% macro forget_roles_of_another_server() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- call statement('other_server', fetch_result=True) -%}
            create table if not exists {{ internal_schema() }}.deployed_on (system_identifier bigint not null);
            {{ create_server_identifier_function() }}
            with here as (
                select {{ internal_schema() }}.server_identifier() as system_identifier
            ),

            forgotten as (
                delete from {{ internal_schema() }}.deployed_on
                where system_identifier <> (select system_identifier from here)
                returning system_identifier
            ),

            noted as (
                insert into {{ internal_schema() }}.deployed_on (system_identifier)
                select system_identifier from here
                where
                    system_identifier is not null
                    and not exists (
                        select from {{ internal_schema() }}.deployed_on as known
                        where known.system_identifier = here.system_identifier
                    )
                returning system_identifier
            )

            select count(*) > 0 as is_other_server from forgotten
        {%- endcall -%}
        {%- if load_result('other_server').table.rows[0]['is_other_server'] -%}
            {%- call statement('forget_numbers') -%}
                {%- for scope in var('scopes').values() %}
                -- the number of no role
                update {{ internal_schema() }}.{{ scope['binding'] }} set role_oid = 0 where role_oid is not null;
                {%- endfor %}
            {%- endcall -%}
            {%- do mend_bindings() -%}
        {%- endif -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{% endmacro %}


{#- SQL: the function server_identifier, which gives null where a service keeps it from its customers. -#}
{% macro create_server_identifier_function() %}
    {%- set body %}
    begin
        return (select system_identifier from pg_catalog.pg_control_system());
    exception when insufficient_privilege or feature_not_supported or undefined_function then
        return null;
    end
    {% endset -%}
    {{ create_function('server_identifier', '', '', 'bigint', 'volatile', body, parallel='unsafe') }}
{% endmacro %}
