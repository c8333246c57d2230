{#-
    Fills a stored table for the first time, in batches of students, each in a transaction of its own: a run that is
    interrupted goes on with the batch that it was at, and says how far it is. No view reads the table yet.

    Rows come, change and go meanwhile. So what is noted before the first batch is how far the sources could be
    read then, and the refresh that follows the last one finds what has changed since, as every refresh does. It also
    looks for every source row that a stored row uses, since a batch may have read one that was gone again by then.
    A table that would be filled in one batch is left to that refresh alone.
-#}
{% macro fill_stored_rows(stored) %}
    {%- if stored.students -%}
        {%- call statement('fill_start') -%}
            {{ start_fill(stored) }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
        {%- set batches = run_query(
            'select batch, first_student, next_student, rows from ' ~ stored.fill ~ ' where model_name = ' ~ stored.name ~ ' order by batch'
        ).rows -%}
        {%- set left = batches | selectattr('rows', 'none') | list -%}
        {%- call statement('end_of_question', auto_begin=False) -%}
            commit
        {%- endcall -%}
        {%- if left | length < batches | length -%}
            {%- do log(model['name'] ~ ": the first fill goes on after " ~ (batches | length - left | length) ~ " of " ~ batches | length ~ " batches", info=True) -%}
        {%- endif -%}
        {%- for batch in left -%}
            {%- call statement('fill') -%}
                {{ fill_batch(stored, batch) }}
            {%- endcall -%}
            {%- do adapter.commit() -%}
            {%- do log(model['name'] ~ ": batch " ~ (batches | length - left | length + loop.index) ~ " of " ~ batches | length ~ " is filled", info=True) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{#- SQL that notes the batches of a first fill, and how far the sources can be read now, where the table is empty. -#}
{% macro start_fill(stored) %}
set transaction isolation level repeatable read;
set local search_path = pg_catalog, pg_temp;
lock table {{ stored.state }} in share row exclusive mode;

do $fill$
declare
    this_horizon constant xid8 := pg_snapshot_xmin(pg_current_snapshot());
    this_horizon_age constant integer := age(this_horizon::xid);
    is_whole constant boolean := true;
    since_age integer;
    changed bigint;
    total bigint;
    removed constant bigint := 0;
    added constant bigint := 0;
begin
    if exists (select from {{ stored.relation }}) or exists (select from {{ stored.fill }} where model_name = {{ stored.name }}) then
        return;
    end if;

    insert into {{ stored.fill }} (model_name, batch, first_student, next_student)
    with student as (
        select student_id, sum(count(*)) over (order by student_id) as rows_so_far
        from {{ stored.students }}
        where student_id is not null
        group by student_id
    ),

    batch as (
        select distinct on (batch_number) batch_number, student_id
        from (select student_id, 1 + floor(rows_so_far / {{ var('stored_fill_rows', 200000) | int }}) as batch_number from student) as numbered
        order by batch_number, student_id
    )

    select
        {{ stored.name }},
        row_number() over (order by batch_number),
        case when row_number() over (order by batch_number) > 1 then student_id::text end,
        lead(student_id::text) over (order by batch_number)
    from batch
    union all
    -- rows without a student
    select {{ stored.name }}, 0, null, null;
    get diagnostics total = row_count;
    if total <= 2 then
        delete from {{ stored.fill }} where model_name = {{ stored.name }};
        return;
    end if;

    {{ read_last_refresh(stored) }}
    {% for source in stored.sources %}
    {{ find_changed_rows(stored, source) }}
    {% endfor %}
    {{ note_state(stored, refreshed_at='null') }}
end
$fill$;
{% endmacro %}


{#- SQL that writes the rows of a batch of students, unless another run has. -#}
{% macro fill_batch(stored, batch) %}
    {%- set conditions = ['student_id is not null'] -%}
    {%- if batch['first_student'] is not none -%}
        {%- do conditions.append('student_id >= ' ~ dbt.string_literal(batch['first_student'])) -%}
    {%- endif -%}
    {%- if batch['next_student'] is not none -%}
        {%- do conditions.append('student_id < ' ~ dbt.string_literal(batch['next_student'])) -%}
    {%- endif -%}
set transaction isolation level repeatable read;
set local search_path = pg_catalog, pg_temp;
lock table {{ stored.state }} in share row exclusive mode;

do $fill$
declare
    added bigint;
begin
    if not exists (select from {{ stored.fill }} where model_name = {{ stored.name }} and batch = {{ batch['batch'] }} and rows is null) then
        return;
    end if;
    create temporary table refresh_row on commit drop as
    select {{ stored.all_columns | join(', ') }}
    from {{ stored.live }}
    with no data;
    {%- if batch['batch'] == 0 %}
    {{ compute_rows(stored, 'where student_id is null') }}
    {%- else %}
    insert into refresh_row ({{ stored.all_columns | join(', ') }})
    select
        {{ qualified('live', stored.all_columns) }}
    from (
        select distinct student_id
        from {{ stored.students }}
        where {{ conditions | join(' and ') }}
    ) as student
    cross join lateral (
        select {{ stored.all_columns | join(', ') }}
        from {{ stored.live }} as of_student
        where of_student.student_id = student.student_id
        -- one at a time, by index: what a batch costs does not grow with the rows of others
        offset 0
    ) as live;
    {%- endif %}
    {%- if stored.is_sharded %}
    -- a batch that failed between two nodes left its rows on one
    delete from {{ stored.relation }} where {{ 'student_id is null' if batch['batch'] == 0 else conditions | join(' and ') }};
    {%- endif %}
    {{ write_computed_rows(stored) }}
    update {{ stored.fill }} set rows = added where model_name = {{ stored.name }} and batch = {{ batch['batch'] }};
end
$fill$;
{% endmacro %}
