-- First attempts with score, session and duration, for callers who see everybody.
{{ attempt_facts(by_student=false) }}
