-- Operational rows at the size of a platform: 200 schools, 50,000 students, 5 million attempts,
-- 4 million scores, 5 million events, and rows in every other table, stored in the order in which they
-- happened, so that one school's rows lie scattered over the whole tables, as they do in a real deployment.
-- A student's time of day is `student / :schools % 40`, which spreads each school over the day.
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
    timestamptz '2025-09-01 07:00Z' + day * interval '1 day' + (student / :schools % 40) * interval '15 minutes',
    timestamptz '2025-09-01 07:30Z' + day * interval '1 day' + (student / :schools % 40) * interval '15 minutes',
    '2025-09-01Z', '2025-09-01Z'
from generate_series(0, :sessions_per_student - 1) as day, generate_series(1, :students) as student;

-- one attempt in twenty repeats a resource; one in ten has no client duration
insert into caliper_attempt (id, assignee_id, assignable_id, count, started_at_time, ended_at_time, duration, date_created, date_last_modified)
select
    'urn:uuid:' || md5('attempt' || student || '/' || attempt)::uuid,
    md5('student' || student)::uuid,
    md5('item' || (1 + ((case when attempt % 20 = 19 then attempt - 19 else attempt end) * 37 + student * 11) % 5000))::uuid::text,
    1 + (attempt % 20 = 19)::int,
    timestamptz '2025-09-01 07:00Z' + (attempt % :sessions_per_student) * interval '1 day' + (student / :schools % 40) * interval '15 minutes' + (attempt / :sessions_per_student) * interval '40 seconds',
    timestamptz '2025-09-01 07:00Z' + (attempt % :sessions_per_student) * interval '1 day' + (student / :schools % 40) * interval '15 minutes' + (attempt / :sessions_per_student) * interval '40 seconds' + interval '35 seconds',
    case when attempt % 10 <> 0 then 'PT35S' end,
    '2025-09-01Z', '2025-09-01Z'
from generate_series(0, :attempts_per_student - 1) as attempt, generate_series(1, :students) as student
order by attempt % :sessions_per_student, student / :schools % 40, attempt / :sessions_per_student;

insert into caliper_score (id, attempt_id, score_given, max_score, date_created)
select
    'urn:uuid:' || md5('score' || student || '/' || attempt)::uuid,
    'urn:uuid:' || md5('attempt' || student || '/' || attempt)::uuid,
    (attempt + student) % 2, 1, timestamptz '2025-09-01 08:00Z' + attempt * interval '1 minute'
from generate_series(0, :attempts_per_student - 1) as attempt, generate_series(1, :students) as student
where attempt % 5 <> 4
order by attempt % :sessions_per_student, student / :schools % 40;

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
    timestamptz '2025-09-01 07:00Z' + (attempt % :sessions_per_student) * interval '1 day' + (student / :schools % 40) * interval '15 minutes'
from generate_series(0, :attempts_per_student - 1) as attempt, generate_series(1, :students) as student
order by attempt % :sessions_per_student, student / :schools % 40, attempt / :sessions_per_student;

-- ten teachers a school, each of them the guide of twenty-five students
insert into one_roster_user (id, given_name, family_name, email, username, status, date_created, date_last_modified)
select md5('teacher' || teacher)::uuid, 'Teacher' || teacher, 'Family' || teacher, 'teacher' || teacher || '@example.edu', 'teacher' || teacher, 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(1, :schools * 10) as teacher;

insert into one_roster_role (id, user_id, org_id, role, role_type, begin_date, end_date, admission_date, status, date_created, date_last_modified)
select md5('teacher-role' || teacher)::uuid, md5('teacher' || teacher)::uuid, md5('school' || (1 + teacher % :schools))::uuid, 'teacher', 'primary', date '2025-08-15', null::date, null::date, 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(1, :schools * 10) as teacher;

insert into one_roster_user_agent (id, source_user_id, agent_user_id, relationship_type, status, begin_date, end_date, date_created, date_last_modified)
select
    md5('agent' || student)::uuid, md5('student' || student)::uuid,
    md5('teacher' || (:schools * (student / :schools % 10) + student % :schools + case when student % :schools = 0 and student / :schools % 10 = 0 then :schools else 0 end))::uuid,
    'teacher', 'active', date '2025-08-15', null::date, timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(1, :students) as student;

insert into one_roster_course (id, title, course_code, org_id, status, date_created, date_last_modified)
select md5('course' || course)::uuid, 'Course ' || course, 'C' || course, md5('district')::uuid, 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(1, 20) as course;

insert into one_roster_class (id, title, class_code, class_type, course_id, school_id, status, date_created, date_last_modified)
select md5('class' || class)::uuid, 'Class ' || class, 'K' || class, 'scheduled', md5('course' || (1 + class / :schools % 20))::uuid, md5('school' || (1 + class % :schools))::uuid, 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(0, :schools * 20 - 1) as class;

insert into one_roster_class_subject (class_id, subject_id)
select md5('class' || class)::uuid, md5('subject' || (class / :schools % 4))::uuid
from generate_series(0, :schools * 20 - 1) as class;

insert into one_roster_class_grade (class_id, placement_grade_id)
select md5('class' || class)::uuid, md5('grade' || (class / :schools % 13))::uuid
from generate_series(0, :schools * 20 - 1) as class;

insert into one_roster_enrollment (id, user_id, class_id, role, "primary", begin_date, end_date, status, date_created, date_last_modified)
select md5('enrollment' || student || '/' || place)::uuid, md5('student' || student)::uuid, md5('class' || (student % :schools + :schools * ((student / :schools + place * 3) % 20)))::uuid, 'student', place = 0, date '2025-08-20', date '2026-06-10', 'active', timestamptz '2025-08-01Z', timestamptz '2025-08-01Z'
from generate_series(0, 4) as place, generate_series(1, :students) as student;

insert into one_roster_assessment_result (id, student_id, assessment_line_item_id, status, score_status, score, score_date, report_url, date_created, date_last_modified)
select md5('result' || student || '/' || term)::uuid, md5('student' || student)::uuid, md5('map' || term)::uuid, 'active', 'fully graded', 180 + student % 60, timestamptz '2025-09-10 15:00Z' + term * interval '120 days', 'https://example.org/map/' || student, timestamptz '2025-09-10Z', timestamptz '2025-09-10Z'
from generate_series(0, 1) as term, generate_series(1, :students) as student;

insert into caliper_assessment (id, name, description)
select md5('test' || test)::uuid::text, 'Test ' || test, null from generate_series(1, 500) as test;

insert into caliper_assignable_digital_resource (id, name, description, media_type)
select md5('unit' || unit)::uuid::text, 'Unit ' || unit, null, 'unit' from generate_series(1, 100) as unit;

insert into caliper_resource_relation (source_id, destination_id, relationship_type, item_order)
select md5('item' || item)::uuid::text, md5('test' || (1 + item % 500))::uuid::text, 'isPartOf', item from generate_series(1, 5000) as item
union all
select md5('test' || test)::uuid::text, md5('unit' || (1 + test % 100))::uuid::text, 'isPartOf', test from generate_series(1, 500) as test;

insert into cf_document (identifier, title)
select md5('document' || document)::uuid, 'Framework ' || document from generate_series(1, 5) as document;

insert into cf_subject (identifier, title, hierarchy_code, description)
select md5('subject' || subject)::uuid, 'Subject ' || subject, subject::text, null from generate_series(0, 3) as subject;

insert into cf_item (identifier, cf_document_id, full_statement, human_coding_scheme, cf_item_type)
select md5('standard' || item)::uuid, md5('document' || (1 + item % 5))::uuid, 'Statement ' || item, 'S.' || item, 'Standard' from generate_series(1, 1000) as item;

insert into cf_item_subject (cf_item_id, subject_id)
select md5('standard' || item)::uuid, md5('subject' || (item % 4))::uuid from generate_series(1, 1000) as item;

insert into placement_grade (id, grade_primary_identifier, label, order_number)
select md5('grade' || grade)::uuid, 'G' || grade, 'Grade ' || grade, grade from generate_series(0, 12) as grade;

insert into placement_student_subject_placement (id, student_id, subject_id, grade_id, status, date_last_modified)
select md5('placement' || student || '/' || subject)::uuid, md5('student' || student)::uuid, md5('subject' || subject)::uuid, md5('grade' || (student % 13))::uuid, case when (student + subject) % 5 = 0 then 'InProgress' else 'Completed' end, timestamptz '2025-09-15Z'
from generate_series(0, 3) as subject, generate_series(1, :students) as student;

insert into lti_application_subject (lti_application_id, subject_title)
select md5('app' || app)::uuid, 'Subject ' || (app % 4) from generate_series(1, 5) as app;

insert into lti_application_curriculum_scope (lti_application_id, cf_document_id)
select md5('app' || app)::uuid, md5('document' || app)::uuid from generate_series(1, 5) as app;

insert into clr_achievement (id, cf_item_id, achievement_type)
select md5('achievement' || item)::uuid, md5('standard' || item)::uuid, 'StandardMastery' from generate_series(1, 1000) as item;

insert into clr_achievement_credential (id, achievement_id, credential_subject_id, result_value, awarded_date, date_last_modified)
select md5('credential' || student || '/' || award)::uuid, md5('achievement' || (1 + (student * 13 + award * 7) % 1000))::uuid, md5('student' || student)::uuid, 0.5 + (award % 10) / 20.0, timestamptz '2025-09-05Z' + award * interval '5 days', timestamptz '2025-09-05Z'
from generate_series(0, 19) as award, generate_series(1, :students) as student;

insert into insights_type (id, slug, category, visibility, is_waste)
select
    md5('type' || type)::uuid,
    (array['Idling', 'Rushing', 'TopicShopping', 'TabSwitching', 'AnswerCopying', 'PhonePresent', 'AwayFromSeat', 'Journal'])[type],
    (array['Engagement', 'Engagement', 'Engagement', 'Cheating', 'Cheating', 'Proctoring', 'Proctoring', 'Journal'])[type],
    'external', type in (1, 2, 3, 7)
from generate_series(1, 8) as type;

insert into insights_config (insight_type_id, requires_review)
select md5('type' || type)::uuid, type in (4, 5) from generate_series(1, 8) as type;

insert into insights_session (id, caliper_session_id, user_id, application_id, webcam_enabled, is_proctored, date_last_modified)
select md5('insights' || student || '/' || day)::uuid, 'urn:uuid:' || md5('session' || student || '/' || day)::uuid, md5('student' || student)::uuid, md5('app' || (1 + student % 5))::uuid, (student + day) % 2 = 0, (student + day) % 4 = 0, timestamptz '2025-09-01Z' + day * interval '1 day'
from generate_series(0, :sessions_per_student - 1) as day, generate_series(1, :students) as student;

-- two in three sessions have an insight, of a type each
insert into insights_insight (id, session_id, insight_type_id, started_at_time, ended_at_time, reason, is_visible, date_last_modified)
select
    md5('insight' || student || '/' || day || '/' || part)::uuid, md5('insights' || student || '/' || day)::uuid, md5('type' || (1 + (student * 3 + day * 5 + part) % 8))::uuid,
    timestamptz '2025-09-01 07:05Z' + day * interval '1 day' + (student / :schools % 40) * interval '15 minutes' + part * interval '3 minutes',
    timestamptz '2025-09-01 07:05Z' + day * interval '1 day' + (student / :schools % 40) * interval '15 minutes' + part * interval '3 minutes' + (20 + student % 100) * interval '1 second',
    'What was seen of student ' || student, student % 11 > 0, timestamptz '2025-09-01Z' + day * interval '1 day'
from generate_series(0, :sessions_per_student - 1) as day, generate_series(1, :students) as student, generate_series(0, 1) as part
where (student + day + part) % 3 > 0;

insert into insights_review (id, insight_id, result, reviewed_at)
select md5('review' || insights_insight.id)::uuid, insights_insight.id, case when get_byte(decode(md5(insights_insight.id::text), 'hex'), 0) % 4 > 0 then 'TruePositive' else 'FalsePositive' end, insights_insight.ended_at_time + interval '1 day'
from insights_insight
inner join insights_config on insights_insight.insight_type_id = insights_config.insight_type_id and insights_config.requires_review;

insert into insights_recommendation (id, user_id, type, source, source_reference_id, title, visibility, content, generated_at, delivered_at, feedback_sentiment, feedback_text, feedback_at)
select md5('recommendation' || student || '/' || week)::uuid, md5('student' || student)::uuid, 'habit', 'insights', null, 'Week ' || week, case when week < 2 then 'student' else 'internal' end, 'Read each question twice', timestamptz '2025-09-08Z' + week * interval '7 days', timestamptz '2025-09-08 12:00Z' + week * interval '7 days', case student % 3 when 0 then 'POSITIVE' when 1 then 'NEGATIVE' end, null, null
from generate_series(0, 2) as week, generate_series(1, :students) as student;

-- an entry for every fifth attempt, of the attempt's own event
insert into tb_xp_ledger (id, user_id, application_id, source_event_id, value, date_generated, date_created)
select
    md5('xp' || student || '/' || attempt)::uuid, md5('student' || student)::uuid, md5('app' || (1 + student % 5))::uuid, 'urn:uuid:' || md5('event' || student || '/' || attempt)::uuid, 1 + attempt % 4,
    timestamptz '2025-09-01 08:00Z' + (attempt % :sessions_per_student) * interval '1 day', timestamptz '2025-09-01 08:00Z' + (attempt % :sessions_per_student) * interval '1 day'
from generate_series(0, :attempts_per_student - 1, 5) as attempt, generate_series(1, :students) as student
order by attempt % :sessions_per_student, student / :schools % 40;

analyze;
