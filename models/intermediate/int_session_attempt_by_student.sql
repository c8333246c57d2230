-- The same rows as int_session_attempt, reached student by student through the indexes.
{{ session_attempt_rollup(ref('int_attempt_by_student')) }}
