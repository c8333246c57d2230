{{ scope_to_caller(
    relation=ref('int_roar_guest'),
    person='id',
    columns=[
        'id', 'assessment_pid', 'assessment_uid', 'user_type', 'age', 'age_months', 'birth_month', 'birth_year',
        'district_id', 'task_ids', 'variant_ids', 'created', 'last_updated',
    ],
    caller='int_roar_caller_scope',
    membership='int_roar_guest_current_organization',
    org_type='text'
) }}
