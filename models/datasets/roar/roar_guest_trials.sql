{{ scope_to_caller(
    relation=ref('int_roar_guest_trial'),
    person='guest_id',
    columns=[
        'guest_id', 'run_id', 'id', 'assessment_stage', 'block', 'trial_index', 'trial_num_block', 'trial_num_total',
        'trial_type', 'item_source', 'item_type', 'num_afc', 'stimulus', 'stimulus_rule', 'target_word', 'answer_word',
        'options', 'correct_side', 'response', 'correct', 'rt', 'replay', 'time_elapsed', 'start_time',
        'start_time_unix', 'server_timestamp', 'pid', 'internal_node_id', 'save_trial',
    ],
    caller='int_roar_caller_scope',
    membership='int_roar_guest_current_organization',
    org_type='text'
) }}
