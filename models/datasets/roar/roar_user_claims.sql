{{ scope_to_caller(
    relation=ref('int_roar_user_claim'),
    person='user_id',
    columns=[
        'user_id', 'admin_uid', 'assessment_uid', 'roar_uid', 'admin_orgs', 'minimal_admin_orgs', 'last_updated',
    ],
    caller='int_roar_caller_scope',
    membership='int_roar_user_current_organization',
    org_type='text'
) }}
