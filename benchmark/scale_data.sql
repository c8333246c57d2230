-- Operational rows at the size of a platform: 200 schools, 50,000 students, 5 million attempts,
-- 4 million scores, 5 million events, stored in the order in which they happened, so that one
-- school's rows lie scattered over the whole tables, as they do in a real deployment.
-- Run with an empty operational schema first in search_path.
-- Parameters, filled in by run.py: :schools, :students, :attempts_per_student, :sessions_per_student.

insert into one_roster_organization (id, name, type, identifier, parent_id, status, date_created, date_last_modified)
select md5('district')::uuid, 'Bench District', 'district', 'D1', null::uuid, 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
union all
select md5('school' || school)::uuid, 'School ' || school, 'school', 'S' || school, md5('district')::uuid, 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(1, :schools) as school;

insert into one_roster_user (id, given_name, family_name, email, username, status, date_created, date_last_modified)
select md5('student' || student)::uuid, 'Given' || student, 'Family' || student, 'student' || student || '@example.edu', 'student' || student, 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(1, :students) as student;

insert into one_roster_role (id, user_id, org_id, role, role_type, begin_date, end_date, admission_date, status, date_created, date_last_modified)
select md5('role' || student)::uuid, md5('student' || student)::uuid, md5('school' || (1 + student % :schools))::uuid, 'student', 'primary', date '2025-08-15', null::date, date '2025-08-15', 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(1, :students) as student
union all
-- every twentieth student has left another school, and must not be seen by it
select md5('ended-role' || student)::uuid, md5('student' || student)::uuid, md5('school' || (1 + (student + 1) % :schools))::uuid, 'student', 'secondary', date '2024-08-15', date '2025-06-01', null::date, 'inactive', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(1, :students, 20) as student;

insert into lti_application (id, name, application_type)
select md5('app' || app)::uuid, 'App ' || app, 'learning' from generate_series(1, 5) as app;

insert into caliper_assessment_item (id, name, media_type)
select md5('item' || item)::uuid::text, 'Question ' || item, 'quiz' from generate_series(1, 5000) as item;

-- a session a day and student, fifteen minutes apart over the day, in the order of time
insert into caliper_session (id, user_id, client_id, started_at_time, ended_at_time, date_created, date_last_modified)
select
    'urn:uuid:' || md5('session' || student || '/' || day)::uuid,
    md5('student' || student)::uuid,
    md5('app' || (1 + student % 5))::uuid,
    timestamptz '2025-09-01 07:00Z' + day * interval '1 day' + (student % 40) * interval '15 minutes',
    timestamptz '2025-09-01 07:30Z' + day * interval '1 day' + (student % 40) * interval '15 minutes',
    '2025-09-01Z', '2025-09-01Z'
from generate_series(0, :sessions_per_student - 1) as day, generate_series(1, :students) as student;

-- one attempt in twenty repeats a resource; one in ten has no client duration
insert into caliper_attempt (id, assignee_id, assignable_id, count, started_at_time, ended_at_time, duration, date_created, date_last_modified)
select
    'urn:uuid:' || md5('attempt' || student || '/' || attempt)::uuid,
    md5('student' || student)::uuid,
    md5('item' || (1 + ((case when attempt % 20 = 19 then attempt - 19 else attempt end) * 37 + student * 11) % 5000))::uuid::text,
    1 + (attempt % 20 = 19)::int,
    timestamptz '2025-09-01 07:00Z' + (attempt % :sessions_per_student) * interval '1 day' + (student % 40) * interval '15 minutes' + (attempt / :sessions_per_student) * interval '40 seconds',
    timestamptz '2025-09-01 07:00Z' + (attempt % :sessions_per_student) * interval '1 day' + (student % 40) * interval '15 minutes' + (attempt / :sessions_per_student) * interval '40 seconds' + interval '35 seconds',
    case when attempt % 10 <> 0 then 'PT35S' end,
    '2025-09-01Z', '2025-09-01Z'
from generate_series(0, :attempts_per_student - 1) as attempt, generate_series(1, :students) as student
order by attempt % :sessions_per_student, student % 40, attempt / :sessions_per_student;

insert into caliper_score (id, attempt_id, score_given, max_score, date_created)
select
    'urn:uuid:' || md5('score' || student || '/' || attempt)::uuid,
    'urn:uuid:' || md5('attempt' || student || '/' || attempt)::uuid,
    (attempt + student) % 2, 1, timestamptz '2025-09-01 08:00Z' + attempt * interval '1 minute'
from generate_series(0, :attempts_per_student - 1) as attempt, generate_series(1, :students) as student
where attempt % 5 <> 4
order by attempt % :sessions_per_student, student % 40;

-- half of the events made the attempt, half acted on it
insert into caliper_event (id, type, action, actor_id, object_id, generated_id, session_id, event_time)
select
    'urn:uuid:' || md5('event' || student || '/' || attempt)::uuid,
    case when attempt % 2 = 0 then 'AssessmentItemEvent' else 'GradeEvent' end,
    case when attempt % 2 = 0 then 'Completed' else 'Graded' end,
    'urn:uuid:' || md5('student' || student)::uuid,
    case when attempt % 2 = 1 then 'urn:uuid:' || md5('attempt' || student || '/' || attempt)::uuid end,
    case when attempt % 2 = 0 then 'urn:uuid:' || md5('attempt' || student || '/' || attempt)::uuid end,
    'urn:uuid:' || md5('session' || student || '/' || (attempt % :sessions_per_student))::uuid,
    timestamptz '2025-09-01 07:00Z' + (attempt % :sessions_per_student) * interval '1 day' + (student % 40) * interval '15 minutes'
from generate_series(0, :attempts_per_student - 1) as attempt, generate_series(1, :students) as student
order by attempt % :sessions_per_student, student % 40, attempt / :sessions_per_student;

analyze;
