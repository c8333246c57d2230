-- Who is asking, in one row: every organization, or which ones.
{{ caller_scope('app.allowed_org_ids', 'scope_binding', 'caller_scope') }}
