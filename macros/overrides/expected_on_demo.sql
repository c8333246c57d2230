{#-
    {data test: rows} of the warnings that the demo's data give, edge cases and real files' own faults among them: on
    the embedded database they are what is expected, and any other number is worth a warning. `dbt test --target
    embedded` on a new demo says the numbers.

    One list in alphabetical order, which is why this macro is long.
-#}
{% macro expected_on_demo() -%}
    {{ return({
        'accepted_values_roar_user_trials_assessment_stage__practice_response__test_response': 1,
        'accepted_values_roar_users_user_type__admin__educator__student__caregiver__guest__researcher': 1,
        'array_elements_resolve_class_enrollments_grade_ids__id__ref_grades_': 1,
        'array_elements_resolve_class_enrollments_subject_ids__id__ref_case_subjects_': 1,
        'array_elements_resolve_classes_grade_ids__id__ref_grades_': 1,
        'array_elements_resolve_classes_subject_ids__id__ref_case_subjects_': 1,
        'array_elements_resolve_course_enrollments_school_ids__id__ref_schools_': 1,
        'array_elements_resolve_course_enrollments_subject_ids__id__ref_case_subjects_': 1,
        'attempts_start_before_they_end': 4,
        'caliper_attempt__start_before_end': 5,
        'caliper_resource_relation__part_of_itself': 1,
        'caliper_score__points_to_gain': 28,
        'caliper_session__start_before_end': 1,
        'cf_item_subject__grain': 1,
        'clr_achievement_credential__a_fraction': 2,
        'expression_holds_students_mastery_mastery_percentage_between_0_and_100': 2,
        'insights_insight__start_before_end': 3,
        'lti_application_curriculum_scope__grain': 1,
        'lti_application_subject__grain': 1,
        'one_roster_class_grade__grain': 1,
        'one_roster_class_subject__grain': 1,
        'one_roster_enrollment__begin_before_end': 486,
        'one_roster_role__begin_before_end': 1,
        'one_roster_user_agent__own_agent': 1,
        'placement_student_subject_placement__grade_when_completed': 2,
        'relationships_aggregated_session_attempts_session_id__id__ref_sessions_': 1,
        'relationships_attempts_session_id__id__ref_sessions_': 2,
        'relationships_attempts_student_id__id__ref_students_': 2,
        'relationships_case_courses_case_subject_id__id__ref_case_subjects_': 1,
        'relationships_cheating_insights_session_id__id__ref_sessions_': 2,
        'relationships_class_enrollments_class_id__id__ref_classes_': 1,
        'relationships_class_enrollments_course_id__id__ref_courses_': 1,
        'relationships_class_enrollments_school_id__id__ref_schools_': 2,
        'relationships_class_enrollments_student_id__id__ref_students_': 3,
        'relationships_classes_course_id__id__ref_courses_': 1,
        'relationships_classes_school_id__id__ref_schools_': 2,
        'relationships_course_enrollments_course_id__id__ref_courses_': 1,
        'relationships_course_enrollments_student_id__id__ref_students_': 3,
        'relationships_learning_app_subjects_learning_app_id__id__ref_learning_apps_': 1,
        'relationships_learning_app_subjects_subject_title__title__ref_subjects_': 1,
        'relationships_placement_results_grade_id__id__ref_grades_': 1,
        'relationships_placement_results_student_id__id__ref_students_': 1,
        'relationships_placement_results_subject_id__id__ref_case_subjects_': 1,
        'relationships_recommendations_student_id__id__ref_students_': 2,
        'relationships_roar_guest_runs_task_id__id__ref_roar_tasks_': 1,
        'relationships_roar_guest_trials_run_id__id__ref_roar_guest_runs_': 1,
        'relationships_roar_guests_district_id__id__ref_roar_districts_': 1,
        'relationships_roar_schools_district_id__id__ref_roar_districts_': 1,
        'relationships_roar_user_claims_user_id__id__ref_roar_users_': 1,
        'relationships_roar_user_runs_user_id__id__ref_roar_users_': 1,
        'relationships_sessions_cheating_session_id__id__ref_sessions_': 2,
        'relationships_sessions_learning_app_id__id__ref_learning_apps_': 1,
        'relationships_sessions_student_id__id__ref_students_': 2,
        'relationships_sessions_waste_session_id__id__ref_sessions_': 2,
        'relationships_student_guides_guide_id__id__ref_guides_': 2,
        'relationships_student_guides_student_id__id__ref_students_': 2,
        'relationships_student_schools_student_id__id__ref_students_': 4,
        'relationships_students_enrollments_student_id__id__ref_students_': 1,
        'relationships_students_mastery_curriculum_item_id__curriculum_item_id__ref_curriculum_items_': 1,
        'relationships_students_mastery_student_id__id__ref_students_': 1,
        'relationships_students_xp_learning_app_id__id__ref_learning_apps_': 1,
        'relationships_students_xp_student_id__id__ref_students_': 2,
        'relationships_waste_insights_session_id__id__ref_sessions_': 2,
        'roar_user_runs_start_before_they_finish': 1,
        'roar_user_runs_test_answers_within_attempted': 1,
        'roar_user_runs_test_correct_within_attempted': 1,
        'source_accepted_values_operational_insights_recommendation_visibility__internal__student': 2,
        'source_accepted_values_operational_insights_type_category__Engagement__Proctoring__Cheating__Journal': 1,
        'source_accepted_values_operational_one_roster_organization_type__department__school__district__local__state__national': 1,
        'source_course_in_several_subjects': 3,
        'source_grade_of_no_vocabulary': 1,
        'source_insight_reviews_that_tie': 2,
        'source_insight_type_in_no_dataset': 3,
        'source_insights_session_id_in_another_form': 2,
        'source_insights_session_of_another_student': 2,
        'source_insights_sessions_of_different_students': 1,
        'source_known_word_in_other_spelling': 6,
        'source_roar_document_in_no_dataset': 2,
        'source_roar_run_counts': 2,
        'source_roar_wrong_types': 32,
        'source_role_at_unknown_organization': 1,
        'source_student_without_email': 2,
        'source_time_out_of_range': 1,
    }) }}
{%- endmacro %}


{#- When a data test warns: over the demo, where it finds another number of rows than is expected there. -#}
{% macro warn_unless_expected(test, warn_if) -%}
    {%- set expected = expected_on_demo().get(test.name) if target.name == 'embedded' and warn_if == '!= 0' else none -%}
    {{ return('not in (0, ' ~ expected ~ ')' if expected is not none and is_demo() else warn_if) }}
{%- endmacro %}


{#- Whether the operational tables hold the demo: its Edge Town, an organization whose id nobody else has. -#}
{% macro is_demo() -%}
    {%- for source in graph.sources.values() if source.name == 'one_roster_organization' -%}
        {{ return(run_query(
            "select exists (select from " ~ source.relation_name ~ " where id = '2616506c-91ef-5c74-ae9d-69ee4f90ecc7')"
        ).columns[0].values()[0]) }}
    {%- endfor -%}
    {{ return(false) }}
{%- endmacro %}
