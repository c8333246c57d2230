-- First attempts with their session, duration and result, computed when they are asked for. The ids
-- of the rows that they are made of, at the end, are for int_attempt_stored.
{{ first_attempts(ref('int_newest_score')) }}
