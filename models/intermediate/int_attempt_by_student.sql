-- The same rows as int_attempt, reached student by student through the indexes.
{{ attempt_facts(by_student=true) }}
