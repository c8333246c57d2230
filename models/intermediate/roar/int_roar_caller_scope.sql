-- Who is asking ROAR's datasets, in one row: every organization, or which ones.
{{ caller_scope('app.allowed_roar_org_ids', 'roar_scope_binding', 'roar_caller_scope') }}
