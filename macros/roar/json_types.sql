{#-
    Values of a schemaless document as typed columns. Each macro takes a SQL expression of type jsonb and
    gives the value where the JSON has the wanted type, else null: never an error, whatever it holds. Nested
    `case` and not `and`, because Postgres may evaluate the operands of `and` in any order.
-#}

{#- Any JSON scalar as its text. -#}
{% macro json_text(value) -%}
case when jsonb_typeof({{ value }}) in ('string', 'number', 'boolean') then {{ value }} #>> '{}' end
{%- endmacro %}


{#- A JSON number. -#}
{% macro json_numeric(value) -%}
case when jsonb_typeof({{ value }}) = 'number' then ({{ value }})::numeric end
{%- endmacro %}


{#- A whole JSON number within an integer's range; 12.0 is one. -#}
{% macro json_integer(value) -%}
case
        when jsonb_typeof({{ value }}) = 'number'
            then case
                when ({{ value }})::numeric between -2147483648 and 2147483647
                    then case
                        when ({{ value }})::numeric = trunc(({{ value }})::numeric) then ({{ value }})::numeric::integer
                    end
            end
    end
{%- endmacro %}


{#- A JSON boolean. -#}
{% macro json_boolean(value) -%}
case when jsonb_typeof({{ value }}) = 'boolean' then ({{ value }})::boolean end
{%- endmacro %}


{#- The strings of a JSON array in their order; its other elements are left out. -#}
{% macro json_text_array(value) -%}
case
        when jsonb_typeof({{ value }}) = 'array'
            -- strict, or an array within the array would be taken apart; silent, should it be run too early
            then array(
                select jsonb_array_elements_text(
                    jsonb_path_query_array({{ value }}, 'strict $[*] ? (@.type() == "string")', '{}', true)
                )
            )
    end
{%- endmacro %}


{#- A JSON object or array as it is. -#}
{% macro json_document(value) -%}
case when jsonb_typeof({{ value }}) in ('object', 'array') then {{ value }} end
{%- endmacro %}


{#-
    A moment: an ISO 8601 string (a date, or a date and time with or without an offset; without one it is
    UTC), Unix seconds, or Firestore's {seconds, nanoseconds}, whose names may begin with an underscore.
    Postgres raises an error for 2023-02-30 and has no cast that would not, so the pattern knows the
    calendar. Numbers count within the years 1 to 9999, which leaves milliseconds out.
-#}
{% macro json_timestamptz(value) -%}
{%- set seconds = "coalesce(" ~ value ~ " -> 'seconds', " ~ value ~ " -> '_seconds')" -%}
{%- set nanoseconds = "coalesce(" ~ value ~ " -> 'nanoseconds', " ~ value ~ " -> '_nanoseconds', '0')" -%}
case jsonb_typeof({{ value }})
        when 'string'
            then case
                when ({{ value }} #>> '{}') ~ '{{ iso_timestamp_pattern() }}'
                    then (
                        ({{ value }} #>> '{}')
                        || case
                            when length({{ value }} #>> '{}') = 10 then 'T00:00Z'
                            when substr({{ value }} #>> '{}', 11) ~ '[Z+-]' then ''
                            else 'Z'
                        end
                    )::timestamptz
            end
        when 'number'
            then case
                -- rounded far below a microsecond: a number next to nothing is out of range for double precision
                when {{ is_unix_seconds(value) }} then to_timestamp(round(({{ value }})::numeric, 9)::double precision)
            end
        when 'object'
            then case
                when jsonb_typeof({{ seconds }}) = 'number' and jsonb_typeof({{ nanoseconds }}) = 'number'
                    then case
                        when
                            {{ is_unix_seconds(seconds) }}
                            and ({{ seconds }})::numeric = trunc(({{ seconds }})::numeric)
                            and ({{ nanoseconds }})::numeric between 0 and 999999999
                            and ({{ nanoseconds }})::numeric = trunc(({{ nanoseconds }})::numeric)
                            then to_timestamp(({{ seconds }})::numeric::double precision)
                                + trunc(({{ nanoseconds }})::numeric / 1000)::integer * interval '1 microsecond'
                    end
            end
    end
{%- endmacro %}


{#- Whether a JSON number is a moment of the years 1 to 9999 in Unix seconds. -#}
{% macro is_unix_seconds(value) -%}
({{ value }})::numeric >= -62135596800 and ({{ value }})::numeric < 253402300800
{%- endmacro %}


{#- ISO 8601, each day of the years 1 to 9999 that there is. Digits are ASCII's, whatever the locale. -#}
{% macro iso_timestamp_pattern() -%}
{%- set year = '(?:[0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})' -%}
{%- set month_and_day = '(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))' -%}
{%- set leap_year = '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)' -%}
{%- set time = '(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?' -%}
{%- set offset = '(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)?' -%}
^(?:{{ year }}-{{ month_and_day }}|{{ leap_year }}-02-29)(?:[T ]{{ time }}{{ offset }})?$
{%- endmacro %}


{#- The macro of a type: the value of a JSON expression as a column of that type. -#}
{% macro json_value(value, type) -%}
{%- if type == 'text' -%}
    {{ json_text(value) }}
{%- elif type == 'integer' -%}
    {{ json_integer(value) }}
{%- elif type == 'numeric' -%}
    {{ json_numeric(value) }}
{%- elif type == 'boolean' -%}
    {{ json_boolean(value) }}
{%- elif type == 'text[]' -%}
    {{ json_text_array(value) }}
{%- elif type == 'timestamptz' -%}
    {{ json_timestamptz(value) }}
{%- elif type == 'jsonb' -%}
    {{ json_document(value) }}
{%- else -%}
    {{ exceptions.raise_compiler_error("There is no JSON column of type " ~ type) }}
{%- endif -%}
{%- endmacro %}
