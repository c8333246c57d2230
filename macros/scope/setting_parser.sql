{#-
    How a list of organization ids is read out of a setting: PL/pgSQL, which takes the list from `requested` and
    gives its ids, as text, in `elements`, or raises an error that names the setting and the first element that is
    not an id.
-#}
{% macro setting_parser(id_type) %}
        {% if id_type == 'text' %}
        select
            array_agg(coalesce(regexp_replace(listed.found[1], e'\\\\(.)', e'\\1', 'g'), listed.found[2])),
            -- an array's missing element; the id of that name stands in quotes
            bool_or(lower(listed.found[2]) = 'null')
        into elements, has_null
        from regexp_matches(requested, '"(' || in_quotes || ')"|(' || bare_id || ')', 'g') as listed (found);
        if has_null or requested !~ ('^' || one_id || '(?:,' || one_id || ')*$')
        then
            -- the first element that is not an id, in one pass over the list; a comma within quotes does not end one
            select listed.found[1]
            into bad_element
            from regexp_matches(
                requested, e'([^",]*"(?:[^"\\\\]|\\\\.)*"[^",]*|[^,]*)(?:,|$)', 'g'
            ) with ordinality as listed (found, place)
            where
                listed.found[1] !~ ('^' || one_id || '$')
                or lower(btrim(listed.found[1], white_space)) = 'null'
            order by listed.place
            limit 1;
            raise invalid_parameter_value using
                message = setting_name || ' holds "' || {{ cut_short('btrim(bad_element, white_space)') }}
                    || '", which is not an organization id',
                hint = 'Write ids with commas between them, in double quotes where one has white space or one of '
                    || e', { } " \\ *, as in: set ' || setting_name || ' = ''2tgCL8CrBt9ymN2lTjVi, "north, upper"''';
        end if;
        {%- else %}
        elements := array(
            select btrim(element, white_space)
            from unnest(string_to_array(requested, ',')) with ordinality as listed (element, place)
            order by place
        );
        select element into bad_element
        from unnest(elements) with ordinality as listed (element, place)
        where element !~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$'
        order by place
        limit 1;
        if found then
            raise invalid_parameter_value using
                message = setting_name || ' holds "' || {{ cut_short('bad_element') }} || '", which is not an organization id',
                hint = 'Write organization ids (UUIDs) with commas between them, as in: set ' || setting_name
                    || ' = ''1a2b3c4d-1111-2222-3333-444455556666''';
        end if;
        {%- endif %}
{%- endmacro %}


{#- SQL expression: a text as far as an error shows it, 100 characters of it. -#}
{% macro cut_short(text) -%}
    left({{ text }}, 100) || case when length({{ text }}) > 100 then '...' else '' end
{%- endmacro %}


{#- The variables that it uses. -#}
{% macro setting_parser_variables(id_type) %}
        {%- if id_type == 'text' %}
        in_quotes constant text := e'(?:[^"\\\\/]|\\\\[^/])+';
        bare_id constant text := e'[^ \t\n\x0b\f\r,{}"\\\\/*]+';
        one_id constant text := '[' || white_space || ']*(?:"' || in_quotes || '"|' || bare_id || ')[' || white_space || ']*';
        has_null boolean;
        {%- endif %}
        elements text[];
        bad_element text;
{%- endmacro %}
