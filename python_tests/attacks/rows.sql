-- Two schools with the same rows in every table that a scoped dataset reads: two students and a teacher of ours,
-- a dozen of another school's. Whatever is the other school's can be told by its text: it holds FOREIGN, or as a
-- uuid starts with f0f0f0f0; its numbers are none of ours either.
create function pg_temp.new_id(kind text, who text) returns uuid language sql immutable as $$
    select case
        when who like 'FOREIGN%' then overlay(md5(kind || who) placing 'f0f0f0f0' from 1) else md5(kind || who)
    end::uuid
$$;

create temp table person as
select
    who,
    pg_temp.new_id('person', who) as id,
    pg_temp.new_id('org', case when who like 'FOREIGN%' then 'FOREIGN' else 'ours' end) as org_id,
    'urn:uuid:' || pg_temp.new_id('session', who) as session_id,
    'attempt of ' || who as attempt_id,
    case when who like 'FOREIGN%' then 1000 else 0 end as number
from (
    select who from unnest(array['Ada', 'Bea', 'Cab']) as ours (who)
    union all
    select 'FOREIGN' || number from generate_series(1, 12) as number
) as named;

insert into one_roster_organization (id, name, type, status, date_created, date_last_modified)
select distinct org_id, case number when 0 then 'Our School' else 'FOREIGN School' end, 'school', 'active', now(), now()
from person;

insert into one_roster_user (id, given_name, family_name, email, status, date_created, date_last_modified)
select id, who, 'of ' || who, who || '@school.example', 'active', now(), now() from person;

-- everybody is a student and a teacher, so that everybody is in every dataset
insert into one_roster_role
    (id, user_id, org_id, role, role_type, begin_date, status, date_created, date_last_modified)
select
    pg_temp.new_id(role, who), id, org_id, role, 'primary', '2020-01-01'::date + number, 'active',
    now(), now()
from person
cross join unnest(array['student', 'teacher']) as role;

insert into one_roster_course (id, title, org_id, status, date_created, date_last_modified)
select distinct pg_temp.new_id('course', initial), initial || ' algebra', org_id, 'active', now(), now()
from (select org_id, case number when 0 then 'our' else 'FOREIGN' end as initial from person) as school;

insert into one_roster_class (id, title, course_id, school_id, status, date_created, date_last_modified)
select distinct
    pg_temp.new_id('class', initial), initial || ' class', pg_temp.new_id('course', initial), org_id, 'active',
    now(), now()
from (select org_id, case number when 0 then 'our' else 'FOREIGN' end as initial from person) as school;

insert into one_roster_enrollment (id, user_id, class_id, role, status, date_created, date_last_modified)
select
    pg_temp.new_id('enrollment', who), id,
    pg_temp.new_id('class', case number when 0 then 'our' else 'FOREIGN' end), 'student', 'active', now(), now()
from person;

insert into one_roster_user_agent
    (id, source_user_id, agent_user_id, relationship_type, status, date_created, date_last_modified)
select pg_temp.new_id('agent', who), id, id, 'teacher', 'active', now(), now() from person;

insert into cf_subject (identifier, title, hierarchy_code) values (md5('subject')::uuid, 'Mathematics', '1');
insert into placement_student_subject_placement (id, student_id, subject_id)
select pg_temp.new_id('placement', who), id, md5('subject')::uuid from person;

insert into cf_item (identifier, full_statement) values (md5('item')::uuid, 'Fractions');
insert into clr_achievement (id, cf_item_id, achievement_type)
values (md5('achievement')::uuid, md5('item')::uuid, 'StandardMastery');
insert into clr_achievement_credential (id, achievement_id, credential_subject_id, result_value, date_last_modified)
select
    pg_temp.new_id('credential', who), md5('achievement')::uuid, id, 0.5 - number / 10000.0, now()
from person;

insert into lti_application (id, name) values (md5('application')::uuid, 'Fraction Lab');
insert into caliper_assessment_item (id, name) values ('question', '3/4 + 1/8');

insert into caliper_session
    (id, user_id, client_id, started_at_time, ended_at_time, date_created, date_last_modified)
select
    session_id, id, md5('application')::uuid, '2026-03-02 09:00+00'::timestamptz + number * interval '1 day',
    '2026-03-02 09:30+00'::timestamptz + number * interval '1 day', now(), now()
from person;
insert into caliper_attempt (id, assignee_id, assignable_id, started_at_time, date_created, date_last_modified)
select
    attempt_id, id, 'question', '2026-03-02 09:01+00'::timestamptz + number * interval '1 day', now(), now()
from person;
insert into caliper_score (id, attempt_id, score_given, max_score, date_created)
select attempt_id, attempt_id, 1 + number, 1 + number, now() from person;
insert into caliper_event (id, type, action, generated_id, session_id, event_time)
select
    attempt_id, 'AssessmentItemEvent', 'Completed', attempt_id, session_id,
    '2026-03-02 09:02+00'::timestamptz + number * interval '1 day'
from person;
insert into tb_xp_ledger (id, user_id, application_id, source_event_id, value, date_generated, date_created)
select
    pg_temp.new_id('xp', who), id, md5('application')::uuid, attempt_id, 10 + number,
    '2026-03-02 09:02+00'::timestamptz + number * interval '1 day', now()
from person;

insert into insights_type (id, slug, category, visibility, is_waste)
select md5(slug)::uuid, slug, category, 'external', is_waste
from (
    values
        ('CheatingHelp', 'Cheating', true), ('UnauthorizedDevice', 'Proctoring', true),
        ('EyesOffScreen', 'Engagement', true), ('Journal', 'Journal', false)
) as insight_type (slug, category, is_waste);
insert into insights_session
    (id, caliper_session_id, user_id, application_id, webcam_enabled, is_proctored, date_last_modified)
select pg_temp.new_id('insights session', who), session_id, id, md5('application')::uuid, true, true, now()
from person;
insert into insights_insight
    (id, session_id, insight_type_id, started_at_time, ended_at_time, reason, is_visible, date_last_modified)
select
    pg_temp.new_id('insight' || slug, who), pg_temp.new_id('insights session', who), md5(slug)::uuid,
    '2026-03-02 09:03+00'::timestamptz + number * interval '1 day',
    '2026-03-02 09:04+00'::timestamptz + number * interval '1 day', 'secret of ' || who, true, now()
from person
cross join unnest(array['CheatingHelp', 'UnauthorizedDevice', 'EyesOffScreen', 'Journal']) as slug;
insert into insights_review (id, insight_id, result, reviewed_at)
select pg_temp.new_id('review', id::text), id, 'TruePositive', now() from insights_insight;
insert into insights_recommendation (id, user_id, type, source, visibility, content, generated_at)
select pg_temp.new_id('recommendation', who), id, 'practice', 'tutor', 'student', 'secret of ' || who, now()
from person;

-- the same people in ROAR, each as a user, as a deleted user and as a guest
create temp table roar_values as
select
    id::text as person_id,
    who,
    org_id::text as org_id,
    number,
    jsonb_build_object('current', array[org_id]) as membership
from person;
insert into roar_document (path, data, update_time)
select collection || '/' || person_id || rest, data || jsonb_build_object('assessmentPid', 'secret of ' || who), now()
from roar_values
cross join lateral (
    values
        ('users', '', jsonb_build_object('schools', membership, 'grade', 'grade of ' || who, 'birthYear', 2014 + number)),
        ('deleted-users', '', jsonb_build_object('districts', membership, 'birthYear', 2014 + number)),
        ('userClaims', '', jsonb_build_object('claims', jsonb_build_object('adminUid', 'secret of ' || who))),
        ('guests', '', jsonb_build_object('districtId', org_id, 'age', 9 + number)),
        ('users', '/runs/run of ' || who, jsonb_build_object('taskId', 'task of ' || who)),
        ('guests', '/runs/run of ' || who, jsonb_build_object('taskId', 'task of ' || who)),
        (
            'users', '/runs/run of ' || who || '/trials/1',
            jsonb_build_object('stimulus', 'secret of ' || who, 'rt', 800 + number, 'block', 73 + number)
        ),
        (
            'guests', '/runs/run of ' || who || '/trials/1',
            jsonb_build_object('stimulus', 'secret of ' || who, 'rt', 800 + number, 'block', 73 + number)
        )
) as document (collection, rest, data);

drop table roar_values;
drop table person;
drop function pg_temp.new_id(text, text);
