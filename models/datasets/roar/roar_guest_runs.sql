{{ scope_to_caller(
    relation=ref('int_roar_guest_run'),
    person='guest_id',
    columns=[
        'guest_id', 'id', 'task_id', 'variant_id', 'assignment_id', 'assigning_orgs', 'time_started', 'time_finished',
        'duration_sec', 'computed_composite', 'practice_num_attempted', 'practice_num_correct',
        'practice_num_incorrect', 'practice_theta_estimate', 'practice_theta_se', 'test_num_attempted',
        'test_num_correct', 'test_num_incorrect', 'test_theta_estimate', 'test_theta_se', 'scores',
    ],
    caller='int_roar_caller_scope',
    membership='int_roar_guest_current_organization',
    org_type='text'
) }}
