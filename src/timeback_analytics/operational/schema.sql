-- The operational database that the catalog reads: 37 tables in one schema, with the keys and
-- indexes that a deployment needs to answer its own queries. Used by the demo, the tests and
-- the benchmark; a real deployment brings its own tables.
-- Run with the new schema first in search_path; psql takes it as it is. Email may as well be citext, where the
-- server has that extension; so the demo makes it there.
-- No foreign keys: events, scores and insights arrive before what they point to, and the
-- catalog must cope with an id that resolves to nothing.

create table one_roster_user (
    id                 uuid primary key,
    given_name         text not null,
    family_name        text not null,
    email              text /* or citext */,
    username           text,
    status             text not null,
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create unique index one_roster_user_email_key on one_roster_user (email);

create table one_roster_organization (
    id                 uuid primary key,
    name               text not null,
    type               text not null,
    identifier         text,
    parent_id          uuid,
    status             text not null,
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create index one_roster_organization_parent_id_idx on one_roster_organization (parent_id);

create table one_roster_role (
    id                 uuid primary key,
    user_id            uuid not null,
    org_id             uuid not null,
    role               text not null,
    role_type          text not null,
    begin_date         date,
    end_date           date,
    admission_date     date,
    status             text not null,
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create index one_roster_role_user_id_idx on one_roster_role (user_id);
create index one_roster_role_org_id_user_id_idx on one_roster_role (org_id, user_id);

create table one_roster_course (
    id                 uuid primary key,
    title              text,
    course_code        text,
    org_id             uuid,
    status             text not null,
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create index one_roster_course_org_id_idx on one_roster_course (org_id);

create table one_roster_class (
    id                 uuid primary key,
    title              text,
    class_code         text,
    class_type         text,
    course_id          uuid,
    school_id          uuid,
    status             text not null default 'active',
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create index one_roster_class_school_id_idx on one_roster_class (school_id);
create index one_roster_class_course_id_idx on one_roster_class (course_id);

create table one_roster_class_subject (
    class_id   uuid not null,
    subject_id uuid
);
create index one_roster_class_subject_class_id_idx on one_roster_class_subject (class_id);

create table one_roster_class_grade (
    class_id           uuid not null,
    placement_grade_id uuid
);
create index one_roster_class_grade_class_id_idx on one_roster_class_grade (class_id);

create table one_roster_enrollment (
    id                 uuid primary key,
    user_id            uuid not null,
    class_id           uuid not null,
    role               text not null,
    "primary"          boolean,
    begin_date         date,
    end_date           date,
    status             text not null,
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create index one_roster_enrollment_user_id_idx on one_roster_enrollment (user_id);
create index one_roster_enrollment_class_id_idx on one_roster_enrollment (class_id);

create table one_roster_user_agent (
    id                 uuid primary key,
    source_user_id     uuid not null,
    agent_user_id      uuid not null,
    relationship_type  text not null,
    status             text not null,
    begin_date         date,
    end_date           date,
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create index one_roster_user_agent_source_user_id_idx on one_roster_user_agent (source_user_id);
create index one_roster_user_agent_agent_user_id_idx on one_roster_user_agent (agent_user_id);
create unique index one_roster_user_agent_source_agent_relationship_open_key on one_roster_user_agent (source_user_id, agent_user_id, relationship_type) where end_date is null;

create table one_roster_assessment_result (
    id                      uuid primary key,
    student_id              uuid not null,
    assessment_line_item_id uuid,
    status                  text not null,
    score_status            text,
    score                   numeric,
    score_date              timestamptz,
    report_url              text,
    date_created            timestamptz not null,
    date_last_modified      timestamptz not null
);
create index one_roster_assessment_result_student_id_idx on one_roster_assessment_result (student_id);

create table caliper_session (
    id                 text primary key,
    user_id            uuid,
    client_id          uuid,
    started_at_time    timestamptz not null,
    ended_at_time      timestamptz,
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create index caliper_session_user_id_started_at_time_idx on caliper_session (user_id, started_at_time);

create table caliper_attempt (
    id                 text primary key,
    assignee_id        uuid not null,
    assignable_id      text not null,
    count              integer,
    started_at_time    timestamptz,
    ended_at_time      timestamptz,
    duration           text,
    date_created       timestamptz not null,
    date_last_modified timestamptz not null
);
create index caliper_attempt_assignee_id_assignable_id_idx on caliper_attempt (assignee_id, assignable_id);

create table caliper_score (
    id           text primary key,
    attempt_id   text not null,
    score_given  numeric,
    max_score    numeric,
    date_created timestamptz not null
);
create index caliper_score_attempt_id_idx on caliper_score (attempt_id);

create table caliper_event (
    id           text primary key,
    type         text not null,
    action       text not null,
    actor_id     text,
    object_id    text,
    generated_id text,
    session_id   text,
    event_time   timestamptz not null
);
create index caliper_event_session_id_idx on caliper_event (session_id);
create index caliper_event_object_id_idx on caliper_event (object_id);
create index caliper_event_generated_id_idx on caliper_event (generated_id);

create table caliper_assessment (
    id          text primary key,
    name        text,
    description text
);

create table caliper_assessment_item (
    id          text primary key,
    name        text,
    description text,
    media_type  text
);

create table caliper_assignable_digital_resource (
    id          text primary key,
    name        text,
    description text,
    media_type  text
);
create index caliper_assignable_digital_resource_media_type_idx on caliper_assignable_digital_resource (media_type);

create table caliper_resource_relation (
    source_id         text not null,
    destination_id    text not null,
    relationship_type text not null,
    item_order        integer
);
create index caliper_resource_relation_source_id_idx on caliper_resource_relation (source_id);
create index caliper_resource_relation_destination_id_idx on caliper_resource_relation (destination_id);

create table cf_document (
    identifier uuid primary key,
    title      text not null
);

create table cf_item (
    identifier          uuid primary key,
    cf_document_id      uuid,
    full_statement      text not null,
    human_coding_scheme text,
    cf_item_type        text
);
create index cf_item_cf_document_id_idx on cf_item (cf_document_id);
create index cf_item_cf_item_type_idx on cf_item (cf_item_type);

create table cf_item_subject (
    cf_item_id uuid not null,
    subject_id uuid
);
create index cf_item_subject_cf_item_id_idx on cf_item_subject (cf_item_id);

create table cf_subject (
    identifier     uuid primary key,
    title          text not null,
    hierarchy_code text not null,
    description    text
);

create table placement_grade (
    id                       uuid primary key,
    grade_primary_identifier text not null,
    label                    text not null,
    order_number             integer not null
);
create unique index placement_grade_order_number_key on placement_grade (order_number);

create table placement_student_subject_placement (
    id                 uuid primary key,
    student_id         uuid not null,
    subject_id         uuid not null,
    grade_id           uuid,
    status             text,
    date_last_modified timestamptz
);
create unique index placement_student_subject_placement_student_id_subject_id_key on placement_student_subject_placement (student_id, subject_id);

create table lti_application (
    id               uuid primary key,
    name             text not null,
    application_type text
);
create unique index lti_application_name_key on lti_application (name);

create table lti_application_subject (
    lti_application_id uuid not null,
    subject_title      text not null
);
create index lti_application_subject_lti_application_id_idx on lti_application_subject (lti_application_id);

create table lti_application_curriculum_scope (
    lti_application_id uuid not null,
    cf_document_id     uuid not null
);
create index lti_application_curriculum_scope_cf_document_id_idx on lti_application_curriculum_scope (cf_document_id);

create table clr_achievement (
    id               uuid primary key,
    cf_item_id       uuid,
    achievement_type text not null
);
create index clr_achievement_cf_item_id_idx on clr_achievement (cf_item_id);

create table clr_achievement_credential (
    id                    uuid primary key,
    achievement_id        uuid not null,
    credential_subject_id uuid not null,
    result_value          numeric,
    awarded_date          timestamptz,
    date_last_modified    timestamptz not null
);
create index clr_achievement_credential_credential_subject_id_idx on clr_achievement_credential (credential_subject_id);
create index clr_achievement_credential_achievement_id_idx on clr_achievement_credential (achievement_id);

create table insights_type (
    id         uuid primary key,
    slug       text not null,
    category   text not null,
    visibility text not null,
    is_waste   boolean not null
);
create unique index insights_type_slug_key on insights_type (slug);

create table insights_config (
    insight_type_id uuid primary key,
    requires_review boolean not null
);

create table insights_session (
    id                 uuid primary key,
    caliper_session_id text not null,
    user_id            uuid not null,
    application_id     uuid not null,
    webcam_enabled     boolean,
    is_proctored       boolean,
    date_last_modified timestamptz not null
);
create index insights_session_caliper_session_id_idx on insights_session (caliper_session_id);
create index insights_session_user_id_idx on insights_session (user_id);

create table insights_insight (
    id                 uuid primary key,
    session_id         uuid not null,
    insight_type_id    uuid not null,
    started_at_time    timestamptz not null,
    ended_at_time      timestamptz not null,
    reason             text not null,
    is_visible         boolean not null,
    date_last_modified timestamptz not null
);
create index insights_insight_session_id_idx on insights_insight (session_id);
create index insights_insight_insight_type_id_idx on insights_insight (insight_type_id);

create table insights_review (
    id          uuid primary key,
    insight_id  uuid not null,
    result      text not null,
    reviewed_at timestamptz not null
);
create index insights_review_insight_id_idx on insights_review (insight_id);

create table insights_recommendation (
    id                  uuid primary key,
    user_id             uuid not null,
    type                text not null,
    source              text not null,
    source_reference_id text,
    title               text,
    visibility          text not null,
    content             text not null,
    generated_at        timestamptz not null,
    delivered_at        timestamptz,
    feedback_sentiment  text,
    feedback_text       text,
    feedback_at         timestamptz
);
create index insights_recommendation_user_id_idx on insights_recommendation (user_id);

create table tb_xp_ledger (
    id              uuid primary key,
    user_id         uuid not null,
    application_id  uuid not null,
    source_event_id text,
    value           numeric not null,
    date_generated  timestamptz not null,
    date_created    timestamptz
);
create index tb_xp_ledger_user_id_idx on tb_xp_ledger (user_id);
create index tb_xp_ledger_source_event_id_idx on tb_xp_ledger (source_event_id);

-- ROAR's Firestore documents, whatever they hold, one a row. path is the document's, without a
-- leading slash: guests/G1/runs/R1/trials/T1. Its parts are compared by code point (collate "C"), as
-- Firestore does; the catalog's expressions are these very ones, or no index would serve them.
create table roar_document (
    path        text collate "C" primary key,
    data        jsonb not null,
    update_time timestamptz not null
);
-- a collection as a whole, such as users/runs; analyze keeps its statistics
create index roar_document_collection_idx on roar_document ((
    case
        when path collate "C" ~ '^[^/]+/[^/]+(?:/[^/]+/[^/]+)*$'
            then rtrim(
                split_part(path collate "C", '/', 1)
                || '/' || split_part(path collate "C", '/', 3)
                || '/' || split_part(path collate "C", '/', 5)
                || '/' || split_part(path collate "C", '/', 7),
                '/'
            )
    end
));
-- one person's runs, or the trials of one or all of them: person first, then rows
create index roar_document_owner_idx on roar_document (
    split_part(path collate "C", '/', 2),
    (
    case
        when path collate "C" ~ '^[^/]+/[^/]+(?:/[^/]+/[^/]+)*$'
            then rtrim(
                split_part(path collate "C", '/', 1)
                || '/' || split_part(path collate "C", '/', 3)
                || '/' || split_part(path collate "C", '/', 5)
                || '/' || split_part(path collate "C", '/', 7),
                '/'
            )
    end
    ),
    split_part(path collate "C", '/', 4)
);
-- a run whose person is not named
create index roar_document_run_idx on roar_document (split_part(path collate "C", '/', 4))
where split_part(path collate "C", '/', 4) <> '';
