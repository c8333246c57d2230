-- Who is asking, in one row: every organization, or which ones.
{{ caller_scope('timeback') }}
