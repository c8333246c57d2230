-- Question attempts of a session and student, for callers who see everybody.
{{ session_attempt_rollup(ref('int_attempt')) }}
