{{ scoped(
    ref('int_attempts'), 'student_id',
    of_few=ref('int_attempts' if var('stored_facts') else 'int_attempt_of_few'), wide_from=0.5
) }}
