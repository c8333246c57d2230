{#-
    What ROAR's documents hold: for each kind of document where it stands, and each column with its type and
    its place in the document. The models read documents by this, and the source test of wrong types
    counts by it, so that the two cannot differ. A column with several places takes the first that has it.

    One table of data, which is why this macro is long.
-#}
{% macro roar_collections() -%}
    {%- set organization_lists = [] -%}
    {%- for kind, field in [('class', 'classes'), ('district', 'districts'), ('family', 'families'), ('group', 'groups'), ('school', 'schools')] -%}
        {%- for span in ['current', 'all'] -%}
            {%- do organization_lists.append((span ~ '_' ~ kind ~ '_ids', 'text[]', [field ~ '.' ~ span])) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set user = [
        ('assessment_pid', 'text', ['assessmentPid']),
        ('assessment_uid', 'text', ['assessmentUid']),
        ('user_type', 'text', ['userType']),
        ('grade', 'text', ['grade']),
        ('school_level', 'text', ['schoolLevel']),
        ('birth_month', 'integer', ['birthMonth']),
        ('birth_year', 'integer', ['birthYear']),
        ('created_at', 'timestamptz', ['createdAt']),
    ] + organization_lists -%}
    {%- set raw_scores = [] -%}
    {%- for stage in ['practice', 'test'] -%}
        {%- for column, type, field in [
            ('num_attempted', 'integer', 'numAttempted'),
            ('num_correct', 'integer', 'numCorrect'),
            ('num_incorrect', 'integer', 'numIncorrect'),
            ('theta_estimate', 'numeric', 'thetaEstimate'),
            ('theta_se', 'numeric', 'thetaSE'),
        ] -%}
            {%- do raw_scores.append((stage ~ '_' ~ column, type, ['scores.raw.composite.' ~ stage ~ '.' ~ field])) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set run = [
        ('task_id', 'text', ['taskId']),
        ('variant_id', 'text', ['variantId']),
        ('assignment_id', 'text', ['assignmentId']),
        ('assigning_orgs', 'jsonb', ['assigningOrgs']),
        ('time_started', 'timestamptz', ['timeStarted']),
        ('time_finished', 'timestamptz', ['timeFinished']),
        ('computed_composite', 'numeric', ['scores.computed.composite']),
    ] + raw_scores + [('scores', 'jsonb', ['scores'])] -%}
    {%- set trial = [
        ('assessment_stage', 'text', ['assessment_stage']),
        ('block', 'integer', ['block']),
        ('trial_index', 'integer', ['trial_index']),
        ('trial_num_block', 'integer', ['trialNumBlock']),
        ('trial_num_total', 'integer', ['trialNumTotal']),
        ('trial_type', 'text', ['trial_type']),
        ('item_source', 'text', ['itemSource']),
        ('item_type', 'text', ['itemType']),
        ('num_afc', 'integer', ['numAFC']),
        ('stimulus', 'text', ['stimulus']),
        ('stimulus_rule', 'text', ['stimulusRule']),
        ('target_word', 'text', ['targetWord']),
        ('answer_word', 'text', ['answerWord']),
        ('options', 'jsonb', ['options']),
        ('correct_side', 'integer', ['correctSide']),
        ('response', 'text', ['response']),
        ('correct', 'integer', ['correct']),
        ('rt', 'numeric', ['rt']),
        ('replay', 'integer', ['replay']),
        ('time_elapsed', 'numeric', ['time_elapsed']),
        ('start_time', 'text', ['start_time']),
        ('start_time_unix', 'timestamptz', ['start_time_unix']),
        ('server_timestamp', 'timestamptz', ['serverTimestamp']),
        ('pid', 'text', ['pid']),
        ('internal_node_id', 'text', ['internal_node_id']),
        ('save_trial', 'boolean', ['save_trial']),
    ] -%}
    {{ return({
        'class': {'collections': ['classes'], 'ids': ['id'], 'fields': [
            ('name', 'text', ['name']),
            ('school_id', 'text', ['schoolId']),
            ('district_id', 'text', ['districtId']),
            ('grade', 'text', ['grade']),
            ('school_level', 'text', ['schoolLevel']),
            ('subject', 'text', ['subject']),
            ('tags', 'text[]', ['tags']),
            ('demo_data', 'boolean', ['demoData']),
            ('test_data', 'boolean', ['testData']),
        ]},
        'district': {'collections': ['districts'], 'ids': ['id'], 'fields': [
            ('name', 'text', ['name']),
            ('abbreviation', 'text', ['abbreviation']),
            ('formatted_address', 'text', ['address.formattedAddress']),
            ('address_name', 'text', ['address.name']),
            ('google_maps_url', 'text', ['address.googleMapsUrl']),
            ('google_places_id', 'text', ['address.googlePlacesId']),
            ('address_components', 'jsonb', ['address.addressComponents']),
            ('school_ids', 'text[]', ['schools', 'address.schools']),
        ]},
        'family': {'collections': ['families'], 'ids': ['id'], 'fields': [
            ('name', 'text', ['name']),
            ('created_at', 'timestamptz', ['createdAt']),
            ('last_updated', 'timestamptz', ['lastUpdated']),
            ('test_data', 'boolean', ['testData']),
        ]},
        'group': {'collections': ['groups'], 'ids': ['id'], 'fields': [
            ('name', 'text', ['name']),
            ('family_id', 'text', ['familyId']),
            ('parent_org_id', 'text', ['parentOrgId']),
            ('parent_org_type', 'text', ['parentOrgType']),
        ]},
        'school': {'collections': ['schools'], 'ids': ['id'], 'fields': [
            ('name', 'text', ['name']),
            ('abbreviation', 'text', ['abbreviation']),
            ('district_id', 'text', ['districtId']),
            ('class_ids', 'text[]', ['classes']),
        ]},
        'task': {'collections': ['tasks'], 'ids': ['id'], 'fields': [
            ('name', 'text', ['name']),
            ('description', 'text', ['description']),
            ('image', 'text', ['image']),
            ('registered', 'boolean', ['registered']),
            ('last_updated', 'timestamptz', ['lastUpdated']),
        ]},
        'variant': {'collections': ['tasks/variants', 'task/variants'], 'ids': ['task_id', 'id'], 'fields': [
            ('name', 'text', ['name']),
            ('last_updated', 'timestamptz', ['lastUpdated']),
            ('audio_feedback', 'text', ['params.audioFeedback']),
            ('button_layout', 'text', ['params.buttonLayout']),
            ('consent', 'boolean', ['params.consent']),
            ('number_of_trials', 'integer', ['params.numberOfTrials']),
            ('practice_corpus', 'text', ['params.practiceCorpus']),
            ('recruitment', 'text', ['params.recruitment']),
            ('sequential_order', 'boolean', ['params.sequentialOrder']),
            ('skip_instructions', 'boolean', ['params.skipInstructions']),
            ('stimulus_corpus', 'text', ['params.stimulusCorpus']),
            ('user_mode', 'text', ['params.userMode']),
            ('params', 'jsonb', ['params']),
        ]},
        'user': {'collections': ['users'], 'ids': ['id'], 'fields': user},
        'deleted_user': {'collections': ['deleted-users'], 'ids': ['id'], 'fields': user},
        'user_claim': {'collections': ['userClaims'], 'ids': ['user_id'], 'fields': [
            ('admin_uid', 'text', ['claims.adminOrgs.adminUid', 'claims.adminUid']),
            ('assessment_uid', 'text', ['claims.adminOrgs.assessmentUid', 'claims.assessmentUid']),
            ('roar_uid', 'text', ['claims.minimalAdminOrgs.roarUid', 'claims.roarUid']),
            ('admin_orgs', 'jsonb', ['claims.adminOrgs']),
            ('minimal_admin_orgs', 'jsonb', ['claims.minimalAdminOrgs']),
            ('last_updated', 'timestamptz', ['lastUpdated']),
        ]},
        'guest': {'collections': ['guests'], 'ids': ['id'], 'fields': [
            ('assessment_pid', 'text', ['assessmentPid']),
            ('assessment_uid', 'text', ['assessmentUid']),
            ('user_type', 'text', ['userType']),
            ('age', 'numeric', ['age']),
            ('age_months', 'numeric', ['ageMonths']),
            ('birth_month', 'integer', ['birthMonth']),
            ('birth_year', 'integer', ['birthYear']),
            ('district_id', 'text', ['districtId']),
            ('task_ids', 'text[]', ['tasks']),
            ('variant_ids', 'text[]', ['variants']),
            ('created', 'timestamptz', ['created']),
            ('last_updated', 'timestamptz', ['lastUpdated']),
        ]},
        'guest_run': {'collections': ['guests/runs'], 'ids': ['guest_id', 'id'], 'fields': run},
        'user_run': {'collections': ['users/runs'], 'ids': ['user_id', 'id'], 'fields': run},
        'guest_trial': {'collections': ['guests/runs/trials'], 'ids': ['guest_id', 'run_id', 'id'], 'fields': trial},
        'user_trial': {'collections': ['users/runs/trials'], 'ids': ['user_id', 'run_id', 'id'], 'fields': trial},
    }) }}
{%- endmacro %}


{#- SQL of type jsonb for a dotted place in the column `data`. -#}
{% macro roar_place(place) -%}
data #> '{{ '{' }}{{ place.split('.') | join(',') }}{{ '}' }}'
{%- endmacro %}


{#-
    Select of the documents of one kind: the ids out of the path, then each column of roar_collections, then
    the columns of stg_roar_document that are named.
-#}
{% macro roar_documents(kind, staging_columns=[]) -%}
{%- set documents = roar_collections()[kind] -%}
select
    {%- for id in documents['ids'] %}
    id_{{ loop.index }} as {{ id }},
    {%- endfor %}
    {%- for column, type, places in documents['fields'] %}
    {{ roar_column(type, places) }} as {{ column }}{{ ',' if not loop.last or staging_columns }}
    {%- endfor %}
    {%- for column in staging_columns %}
    {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ ref('stg_roar_document') }}
where {{ is_roar_kind(kind) }}
{%- endmacro %}


{#- The names of the columns of one kind of document, its ids first, for a select list. -#}
{% macro roar_columns(kind) -%}
{%- set documents = roar_collections()[kind] -%}
{{ (documents['ids'] + documents['fields'] | map('first') | list) | join(',\n    ') }}
{%- endmacro %}


{#- Select of the runs of one kind, with how long each took: whole seconds, null where it ends before it starts. -#}
{% macro roar_runs(kind) -%}
select
    {{ roar_columns(kind) }},
    case when time_started <= time_finished then {{ whole_seconds('time_started', 'time_finished') }} end as duration_sec
from (
    {{ roar_documents(kind) | indent(4) }}
) as run
{%- endmacro %}


{#-
    Select of the organizations of today of people: one row for each id in their current lists. Ids compare
    by code point, or org_ids would be in another order on a server with another collation.
-#}
{% macro roar_current_organizations(people) -%}
select
    person.id as person_id,
    organization.org_id collate "C" as org_id
from {{ people }} as person
cross join lateral unnest(
    person.current_district_ids
    || person.current_school_ids
    || person.current_class_ids
    || person.current_group_ids
    || person.current_family_ids
) as organization (org_id)
{%- endmacro %}


{#- SQL for a column: the value at the first of its places that has one of the type. -#}
{% macro roar_column(type, places) -%}
{%- if places | length == 1 -%}
{{ json_value(roar_place(places[0]), type) }}
{%- else -%}
coalesce(
        {%- for place in places %}
        {{ json_value(roar_place(place), type) }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endif -%}
{%- endmacro %}


{#- Whether a row of stg_roar_document is a document of this kind. -#}
{% macro is_roar_kind(kind) -%}
{%- set collections = roar_collections()[kind]['collections'] -%}
collection {{ "= '" ~ collections[0] ~ "'" if collections | length == 1 else "in ('" ~ collections | join("', '") ~ "')" }}
{%- endmacro %}


{#- Whether the ROAR datasets are part of this catalog. -#}
{% macro has_roar() -%}
    {{ return(var('roar', target.name == 'embedded') in (true, 'true', 'True')) }}
{%- endmacro %}
