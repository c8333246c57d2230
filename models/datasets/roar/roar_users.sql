{{ scope_to_caller(
    relation=ref('int_roar_user'),
    person='id',
    columns=[
        'id', 'assessment_pid', 'assessment_uid', 'user_type', 'grade', 'school_level', 'birth_month', 'birth_year',
        'created_at', 'current_class_ids', 'all_class_ids', 'current_district_ids', 'all_district_ids',
        'current_family_ids', 'all_family_ids', 'current_group_ids', 'all_group_ids', 'current_school_ids',
        'all_school_ids',
    ],
    caller='int_roar_caller_scope',
    membership='int_roar_user_current_organization',
    org_type='text'
) }}
