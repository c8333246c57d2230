-- Other ways to show a caller the first attempts of their own organizations, for comparison: the same
-- rows out of the same operational tables, less the duration, which costs the same everywhere. Run with
-- the operational schema first in search_path; made in schema benchmark. PostgreSQL 15 or newer.
create schema if not exists benchmark;

-- everybody's first attempts, as they are mostly written
create or replace view benchmark.first_attempt as
select
    attempt.id as attempt_id,
    attempt.assignee_id as student_id,
    attempt.assignable_id as resource_id,
    event.session_id,
    (attempt.started_at_time at time zone 'UTC')::date as date,
    attempt.started_at_time as start_time,
    attempt.ended_at_time as end_time,
    score.is_correct
from (
    select distinct on (assignee_id, assignable_id) *
    from caliper_attempt
    order by assignee_id, assignable_id, started_at_time, count, id collate "C"
) as attempt
left join (
    select distinct on (attempt_id)
        attempt_id,
        score_given = max_score as is_correct
    from caliper_score
    order by attempt_id, date_created desc, id collate "C" desc
) as score on attempt.id = score.attempt_id
left join (
    select distinct on (attempt_id)
        attempt_id,
        session_id
    from (
        select generated_id as attempt_id, session_id, event_time, id from caliper_event
        union all
        select object_id, session_id, event_time, id from caliper_event
    ) as event_of_attempt
    where attempt_id is not null and session_id is not null
    order by attempt_id, event_time, id collate "C"
) as event on attempt.id = event.attempt_id;

-- naive: join the caller's people to everybody's facts
create or replace view benchmark.naive_join with (security_barrier = true) as
select
    first_attempt.student_id,
    first_attempt.resource_id,
    first_attempt.session_id,
    first_attempt.date,
    first_attempt.is_correct,
    array_agg(distinct one_roster_role.org_id) as org_ids
from benchmark.first_attempt
inner join one_roster_role on first_attempt.student_id = one_roster_role.user_id
where
    one_roster_role.status = 'active'
    and (one_roster_role.end_date is null or one_roster_role.end_date > current_date)
    and one_roster_role.org_id = any(string_to_array(current_setting('app.allowed_org_ids', true), ',')::uuid[])
group by
    first_attempt.attempt_id, first_attempt.student_id, first_attempt.resource_id, first_attempt.session_id,
    first_attempt.date, first_attempt.is_correct;

-- naive: a subquery on each row, filter on what it gives
create or replace view benchmark.subquery_a_row with (security_barrier = true) as
select *
from (
    select
        first_attempt.student_id,
        first_attempt.resource_id,
        first_attempt.session_id,
        first_attempt.date,
        first_attempt.is_correct,
        (
            select coalesce(array_agg(distinct one_roster_role.org_id), '{}')
            from one_roster_role
            where
                one_roster_role.user_id = first_attempt.student_id
                and one_roster_role.status = 'active'
                and (one_roster_role.end_date is null or one_roster_role.end_date > current_date)
                and one_roster_role.org_id = any(
                    string_to_array(current_setting('app.allowed_org_ids', true), ',')::uuid[]
                )
        ) as org_ids
    from benchmark.first_attempt
) as every_attempt
where org_ids <> '{}';

-- row-level security on the attempt table, the setting read once in a scalar subquery, with each
-- attempt's score and session looked up by index. The policy applies to benchmark_reader and passes
-- owners and superusers by, as who the catalog's views run.
create or replace view benchmark.row_level_security with (security_invoker = true) as
select
    attempt.assignee_id as student_id,
    attempt.assignable_id as resource_id,
    event.session_id,
    (attempt.started_at_time at time zone 'UTC')::date as date,
    score.is_correct
from (
    select distinct on (assignee_id, assignable_id) *
    from caliper_attempt
    order by assignee_id, assignable_id, started_at_time, count, id collate "C"
) as attempt
left join lateral (
    select caliper_score.score_given = caliper_score.max_score as is_correct
    from caliper_score
    where caliper_score.attempt_id = attempt.id
    order by caliper_score.date_created desc, caliper_score.id collate "C" desc
    limit 1
) as score on true
left join lateral (
    select caliper_event.session_id
    from caliper_event
    where
        (caliper_event.generated_id = attempt.id or caliper_event.object_id = attempt.id)
        and caliper_event.session_id is not null
    order by caliper_event.event_time, caliper_event.id collate "C"
    limit 1
) as event on true;

do $$
begin
    if not exists (select from pg_roles where rolname = 'benchmark_reader') then
        create role benchmark_reader nologin;
    end if;
    execute format('grant usage on schema benchmark, %I to benchmark_reader', current_schema());
    execute format('grant select on all tables in schema %I to benchmark_reader', current_schema());
    grant select on all tables in schema benchmark to benchmark_reader;
end
$$;

alter table caliper_attempt enable row level security;
drop policy if exists own_organizations on caliper_attempt;
create policy own_organizations on caliper_attempt for select to benchmark_reader using (
    assignee_id in (
        select one_roster_role.user_id
        from one_roster_role
        where
            one_roster_role.status = 'active'
            and (one_roster_role.end_date is null or one_roster_role.end_date > current_date)
            and one_roster_role.org_id = any(
                (select string_to_array(current_setting('app.allowed_org_ids', true), ',')::uuid[])::uuid[]
            )
    )
);

-- what many platforms do: every first attempt with its organizations, recomputed each night
create table if not exists benchmark.nightly_attempt as
select first_attempt.*, organizations.org_ids
from benchmark.first_attempt
left join (
    select user_id, array_agg(distinct org_id) as org_ids
    from one_roster_role where status = 'active' group by user_id
) as organizations on first_attempt.student_id = organizations.user_id;
create index if not exists nightly_attempt_org_ids_idx on benchmark.nightly_attempt using gin (org_ids);
create index if not exists nightly_attempt_student_id_idx on benchmark.nightly_attempt (student_id);
create table if not exists benchmark.nightly_attempt_by_school as
select nightly_attempt.*, org_id
from benchmark.nightly_attempt
cross join lateral unnest(org_ids) as org_id
order by org_id, student_id;
create index if not exists nightly_attempt_by_school_org_id_idx on benchmark.nightly_attempt_by_school (org_id);
analyze benchmark.nightly_attempt, benchmark.nightly_attempt_by_school;

-- the published views as a role that is bound to school 5, whose filters stay above the scope
do $$
begin
    if not exists (select from pg_roles where rolname = 'benchmark_bound') then
        create role benchmark_bound nologin in role timeback_reader;
    end if;
end
$$;
insert into analytics_internal.scope_binding (role_name, org_id, role_oid)
values ('benchmark_bound', md5('school5')::uuid, 'benchmark_bound'::regrole) on conflict do nothing;
grant timeback_bound to benchmark_bound;

-- an ordinary reader, for lists of organizations
do $$
begin
    if not exists (select from pg_roles where rolname = 'benchmark_asker') then
        create role benchmark_asker nologin in role timeback_reader;
    end if;
end
$$;
