-- Who is asking ROAR's datasets, in one row: every organization, or which ones.
{{ caller_scope('roar') }}
