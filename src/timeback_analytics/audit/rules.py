"""The rules: each a query that gives a row (object, finding) for each breach and none otherwise."""

from dataclasses import dataclass

from timeback_analytics.audit.servers import QUERY as OPEN_SERVERS


@dataclass(frozen=True)
class Rule:
    """A rule: its name, what it asks for and why, and the query for its breaches."""

    name: str
    purpose: str
    query: str


RULES = (
    Rule(
        "owner",
        "The deploying role owns the schemas and everything in them: the owner of a view can remove "
        "its barrier, and the owner of a schema can drop what is in it.",
        """
        select owned.object, 'is owned by ' || owned.owner::regrole || ', not by ' || deployer.oid::regrole
        from (
            select object, relowner as owner from our_relation
            union all
            select object, proowner from our_function
            union all
            select 'schema ' || quote_ident(nspname), nspowner from our_schema
        ) as owned
        cross join deployer
        inner join pg_catalog.pg_roles on owned.owner = pg_roles.oid
        where owned.owner <> deployer.oid and not (owned.object like 'schema %%' and pg_roles.rolsuper)
        """,
    ),
    Rule(
        "barrier",
        "Every scoped view is a security barrier: without it a predicate of the caller's sees rows "
        "that the scope has not removed yet.",
        """
        select our_relation.object, 'is scoped and no security barrier'
        from our_relation
        where
            our_relation.is_published
            and (
                our_relation.oid in (select oid from asks_who_calls)
                or our_relation.relname in (select dataset from documented where is_scoped)
            )
            and not exists (
                select from unnest(our_relation.reloptions) as option
                where option in ('security_barrier=true', 'security_barrier=on', 'security_barrier=1')
            )
        """,
    ),
    Rule(
        "flattened",
        "A scoped view that is a UNION ALL has a WITH, LIMIT or ORDER BY at its top: without one Postgres "
        "merges it into the query around it, barrier and all.",
        # of the fields of a stored query, cteList comes before those of any query within it, the others after
        r"""
        select our_relation.object, 'is a UNION ALL that loses its barrier: it has no WITH at its top'
        from our_relation
        inner join asks_who_calls on our_relation.oid = asks_who_calls.oid
        inner join pg_catalog.pg_rewrite on our_relation.oid = pg_rewrite.ev_class
        cross join lateral (select pg_rewrite.ev_action::text) as stored (query)
        where
            substring(stored.query from ':cteList (<>|\()') = '<>'
            and starts_with(regexp_replace(stored.query, '^.*:setOperations ', ''), '{')
            and starts_with(regexp_replace(stored.query, '^.*:limitCount ', ''), '<>')
            and starts_with(regexp_replace(stored.query, '^.*:sortClause ', ''), '<>')
        """,
    ),
    Rule(
        "invoker",
        "No view runs with the caller's rights (security_invoker): readers would need rights on the "
        "tables behind.",
        """
        select our_relation.object, 'is a security invoker view'
        from our_relation
        where exists (
            select from unnest(our_relation.reloptions) as option
            where option in ('security_invoker=true', 'security_invoker=on', 'security_invoker=1')
        )
        """,
    ),
    Rule(
        "grants",
        "timeback_reader may use the published schema and select from its views; nobody but the owner "
        "has any other right, and nobody any in the internal schema. Execution by everybody of the "
        "functions there is no right without usage of the schema, and views need it.",
        """
        select
            granted.object,
            case granted.grantee when 0 then 'everybody' else granted.grantee::regrole::text end
            || ' has ' || granted.privilege_type
            || case when granted.is_grantable then ' with grant option' else '' end
        from granted
        where
            granted.grantee <> granted.owner
            and not (
                granted.is_published
                and granted.grantee = to_regrole('timeback_reader')::oid
                and (granted.kind, granted.privilege_type) in (('schema', 'USAGE'), ('v', 'SELECT'))
                and not granted.is_grantable
            )
            and not (granted.kind = 'function' and granted.grantee = 0)
        union all
        select
            'schema ' || quote_ident(our_schema.nspname),
            'default privileges of ' || pg_default_acl.defaclrole::regrole
            || ' give rights on what is made in it'
        from pg_catalog.pg_default_acl
        inner join our_schema on pg_default_acl.defaclnamespace = our_schema.oid
        """,
    ),
    Rule(
        "functions",
        "A view calls functions of Postgres, of an extension or of the deploying role alone, and no "
        "volatile one: another's function could be replaced under it. None reads a setting: the functions of "
        "the scope do.",
        """
        select distinct
            called.object,
            case
                when pg_proc.provolatile = 'v' then 'calls volatile ' else 'calls '
            end || pg_proc.oid::regprocedure || case
                when pg_proc.proname = 'current_setting' and pg_proc.pronamespace = 'pg_catalog'::regnamespace
                    then ', which the caller controls'
                when pg_proc.provolatile = 'v' then ''
                else ', which ' || pg_proc.proowner::regrole || ' owns'
            end
        from called
        cross join deployer
        inner join pg_catalog.pg_proc on called.function_oid = pg_proc.oid
        where
            pg_proc.provolatile = 'v'
            or (
                pg_proc.pronamespace = 'pg_catalog'::regnamespace
                and pg_proc.proname = 'current_setting'
            )
            or (
                pg_proc.pronamespace <> 'pg_catalog'::regnamespace
                and pg_proc.proowner <> deployer.oid
                and not exists (
                    select from pg_catalog.pg_depend
                    where
                        pg_depend.classid = 'pg_catalog.pg_proc'::regclass
                        and pg_depend.objid = pg_proc.oid
                        and pg_depend.deptype = 'e'
                )
            )
        """,
    ),
    Rule(
        "search path",
        "Functions of ours have a search_path of their own that ends in pg_temp: what they name cannot be "
        "another's of the same name. They run with the caller's rights, but for those that read memberships "
        "and bindings.",
        """
        select
            our_function.object,
            case
                when our_function.runs_as_owner then 'runs with the rights of its owner'
                else 'has no search_path of its own that is pg_catalog, pg_temp'
            end
        from (
            select
                *,
                prosecdef and (is_published or proname <> all(%(as_owner)s::text[])) as runs_as_owner
            from our_function
        ) as our_function
        where
            our_function.runs_as_owner
            or not coalesce('search_path=pg_catalog, pg_temp' = any(our_function.proconfig), false)
        """,
    ),
    Rule(
        "place",
        "Only the deploying role may create anything in a schema that its own search_path goes "
        "through: a function there could be taken for one of Postgres's when views are made. Before "
        "PostgreSQL 15 everybody may in public.",
        """
        select 'schema public', 'everybody may create in it: revoke create on schema public from public'
        from pg_catalog.pg_namespace
        cross join lateral aclexplode(pg_namespace.nspacl) as acl
        where pg_namespace.nspname = 'public' and acl.grantee = 0 and acl.privilege_type = 'CREATE'
        """,
    ),
    Rule(
        "sources",
        "A view reads the tables and columns whose names it was made for. It holds on to them by number: "
        "when a migration renames one and makes another of its name, the view goes on showing the old one.",
        """
        select view_name, 'reads ' || reads_now || ', and was made to read ' || was_made_to_read
        from {internal}.moved_sources()
        -- a view that somebody changed by hand has other names to itself, and none that moved
        where reads_now is not null and was_made_to_read is not null
        """,
    ),
    Rule(
        "scoped",
        "What the manifest calls scoped, and whatever shows org_ids, asks who is calling: int_caller_scope "
        "or int_roar_caller_scope.",
        """
        select our_relation.object, 'does not ask who is calling'
        from our_relation
        where
            our_relation.is_published
            and our_relation.oid not in (select oid from asks_who_calls)
            and (
                our_relation.relname in (select dataset from documented where is_scoped)
                or exists (
                    select from pg_catalog.pg_attribute
                    where
                        pg_attribute.attrelid = our_relation.oid
                        and pg_attribute.attname = 'org_ids'
                        and pg_attribute.attnum > 0
                )
            )
        """,
    ),
    Rule(
        "documented",
        "The published schema holds the documented datasets as views, with the documented columns, "
        "and nothing else.",
        """
        select our_relation.object, 'is not a documented dataset'
        from our_relation
        where our_relation.is_published and our_relation.relname not in (select dataset from documented)
        union all
        select our_relation.object, 'is not a view'
        from our_relation
        where
            our_relation.is_published
            and our_relation.relkind <> 'v'
            and our_relation.relname in (select dataset from documented)
        union all
        select our_relation.object || '.' || quote_ident(pg_attribute.attname), 'is not a documented column'
        from our_relation
        inner join pg_catalog.pg_attribute on our_relation.oid = pg_attribute.attrelid
        where
            our_relation.is_published
            and our_relation.relname in (select dataset from documented)
            and pg_attribute.attnum > 0
            and not pg_attribute.attisdropped
            and (our_relation.relname, pg_attribute.attname) not in (
                select dataset, column_name from documented
            )
        union all
        select our_function.object, 'is a function in the published schema'
        from our_function
        where our_function.is_published
        """,
    ),
    Rule(
        "persons",
        "A scoped dataset identifies nobody but the person by whom its rows are scoped. A column "
        "identifies a person when its documented origin is a person's id, name or address, or when it "
        "joins with the key of a dataset of persons; it is of the scope's person when it is the scope's "
        "column or that person's name or email. Exceptions are listed in audit.persons.OF_OTHERS.",
        """
        select our_relation.object || '.' || quote_ident(pg_attribute.attname), 'identifies another person'
        from documented
        -- said once, and not of the same view in types for every tool
        inner join our_relation
            on
                documented.dataset = our_relation.relname
                and starts_with(our_relation.object, quote_ident(%(published)s) || '.')
        inner join pg_catalog.pg_attribute
            on our_relation.oid = pg_attribute.attrelid and documented.column_name = pg_attribute.attname
        where documented.shows_other
        """,
    ),
    Rule(
        "rights",
        "A bound role has no right that its binding does not narrow: none on the tables behind the views, no "
        "membership of pg_read_all_data or of the deploying role, no CREATEROLE, no superuser.",
        # asked by voiding_rights, as `timeback bind` may
        "",
    ),
    Rule(
        "bindings",
        "Every role that a binding names is the role that was bound, and is marked as bound on the whole "
        "server (timeback_bound), without the right to take the mark off.",
        """
        select
            bound.role_name::text,
            case
                when role.oid is null
                    then 'is bound and is not a role of this server: dropped or renamed, so it sees nothing'
                when bool_or(bound.role_oid <> role.oid)
                    then 'is not the role of this name that was bound, and sees nothing until it is bound'
                when bool_or(membership.admin_option)
                    then 'is bound and may grant timeback_bound, so it can unbind itself'
                else 'is bound and is not a member of timeback_bound: in another database it is not bound'
            end
        from (
            select role_name, role_oid from {internal}.scope_binding
            union all
            select role_name, role_oid from {internal}.roar_scope_binding
        ) as bound
        left join pg_catalog.pg_roles as role on bound.role_name = role.rolname
        left join pg_catalog.pg_auth_members as membership
            on role.oid = membership.member and membership.roleid = to_regrole('timeback_bound')
        group by bound.role_name, role.oid
        having
            bool_or(bound.role_oid <> role.oid)
            or bool_or(membership.admin_option)
            -- a role that is gone is a member of nothing
            or count(membership.roleid) = 0
        union all
        select role_name, 'is bound, and its default scope is gone from this database: ' || statement
        from {internal}.lost_default_scopes()
        """,
    ),
    Rule(
        "readers",
        "Readers can read: the role timeback_reader is there, may use the published schema and select from "
        "every dataset. A restore leaves out grants to roles that are not there yet; a run makes them again.",
        """
        select
            'role ' || %(reader)s,
            'is missing, so nobody can read: create role ' || %(reader)s || ' nologin'
        where to_regrole(%(reader)s) is null
        union all
        select 'schema ' || quote_ident(our_schema.nspname), %(reader)s || ' may not use it'
        from our_schema
        where
            our_schema.is_published
            and not has_schema_privilege(to_regrole(%(reader)s)::oid, our_schema.oid, 'usage')
        union all
        select our_relation.object, %(reader)s || ' may not select from it'
        from our_relation
        where
            our_relation.is_published
            and our_relation.relname in (select dataset from documented)
            and not has_table_privilege(to_regrole(%(reader)s)::oid, our_relation.oid, 'select')
        """,
    ),
    Rule(
        "servers",
        "Servers that stored facts lie on (timeback shards) are the deploying role's: nobody else "
        "may use them or has "
        "a mapping to them, and connections over a network are encrypted and know the server.",
        # with the names of its own alone
        "select * from (" + OPEN_SERVERS + ") as open_server",
    ),
)
