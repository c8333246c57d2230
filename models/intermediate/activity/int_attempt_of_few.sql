-- The rows of int_attempt_live as they cost least for few students: each attempt's score is looked up.
{{ config(enabled=not var('stored_facts'), meta={'same_rows_as': 'int_attempt_live'}) }}
{{ first_attempts('lateral ' ~ newest_score_of('first_attempt.attempt_id')) }}
