"""Bindings of database roles to organizations: what a role can see at most, whatever its session asks for.

A binding is rows of scope_binding in the internal schema, and of roar_scope_binding for ROAR's organizations,
which int_caller_scope and int_roar_caller_scope read for session_user and for current_user. Who is bound in
one is bound in the other. The role's default scope is kept beside it, as its own setting in this database, so
that a client without a place for SET sees rows at all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from psycopg import sql

from timeback_analytics.errors import TimebackError

SETTING = "app.allowed_org_ids"
ROAR_SETTING = "app.allowed_roar_org_ids"
READER = "timeback_reader"
UNRESTRICTED = "timeback_unrestricted"


@dataclass(frozen=True)
class Catalog:
    """The deployed catalog in one database.

    Attributes:
        conn: a connection of the deploying role, or of a superuser; not in autocommit.
        schema: the published schema.
    """

    conn: psycopg.Connection
    schema: str = "analytics"

    @property
    def internal(self) -> str:
        """The schema of everything that no consumer may read."""
        return f"{self.schema}_internal"

    def name_of(self, relation: str) -> sql.Identifier:
        """A relation of the internal schema, quoted."""
        return sql.Identifier(self.internal, relation)

    def scoped_views(self) -> list[str]:
        """The published views that ask who the caller is, by name."""
        rows = self.conn.execute(
            """select distinct pg_class.relname
            from pg_catalog.pg_class
            inner join pg_catalog.pg_rewrite on pg_class.oid = pg_rewrite.ev_class
            inner join pg_catalog.pg_depend
                on
                    pg_depend.classid = 'pg_catalog.pg_rewrite'::regclass
                    and pg_rewrite.oid = pg_depend.objid
                    and pg_depend.refclassid = 'pg_catalog.pg_class'::regclass
            where
                pg_class.relnamespace = to_regnamespace(quote_ident(%s))
                and pg_depend.refobjid in (
                    to_regclass(quote_ident(%s) || '.int_caller_scope'),
                    to_regclass(quote_ident(%s) || '.int_roar_caller_scope')
                )
            order by pg_class.relname""",
            [self.schema, self.internal, self.internal],
        )
        return [name for (name,) in rows]


@dataclass(frozen=True)
class Bound:
    """What there is to know of one role.

    Attributes:
        role: its name.
        organizations: id -> name, as the operational tables have it, of those it is bound to; the name is
            None where the organization has gone. Empty for a role that is not bound.
        default: the role's own app.allowed_org_ids in this database; None where it has none.
        rows: scoped dataset -> rows that the role sees with its default, or why it sees none.
        notes: what a reader of the above might take wrongly.
    """

    role: str
    organizations: dict[UUID, str | None]
    roar_organizations: dict[str, str | None]
    default: str | None
    roar_default: str | None
    rows: dict[str, int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def bind(
    catalog: Catalog,
    role: str,
    org_ids: list[UUID],
    *,
    roar_org_ids: Sequence[str] = (),
    create: bool = False,
    password: str | None = None,
    default: str | None = "*",
) -> None:
    """Bind a role to these organizations and to no other: an earlier binding is replaced.

    All of it happens in one transaction, or nothing. A role that is bound to organizations of one kind alone
    sees nothing of the other kind.

    Args:
        catalog: the catalog.
        role: the role; it may be a login or a group that logins take on with SET ROLE.
        org_ids: organizations of the operational tables.
        roar_org_ids: organizations of ROAR's documents, of whatever kind. There is at least one of either.
        create: make the role, a login and member of timeback_reader.
        password: of the new role; it is sent as a hash. None makes a role without one.
        default: the role's app.allowed_org_ids in this database; `*` is all of its binding. None leaves
            the role's settings alone. With roar_org_ids, app.allowed_roar_org_ids becomes `*`.

    Raises:
        TimebackError: the catalog is not deployed, an organization is unknown, the role is missing, or
            there already while it should be made, or the connection's role may not do this.
    """
    conn = catalog.conn
    _check_deployed(catalog)
    if not org_ids and not roar_org_ids:
        raise TimebackError(f"No organization is named to bind {role} to.")
    _check_organizations(catalog, org_ids)
    _check_roar_organizations(catalog, roar_org_ids)
    if default is not None and org_ids:
        _check_default(catalog, default, org_ids)
    with _one_transaction(conn, f"bind {role}"):
        if create:
            _create_role(conn, role, password)
        elif not _exists(conn, role):
            raise TimebackError(f"There is no role {role} on this server. --create makes it.")
        if default is not None:
            for setting, bound, value in ((SETTING, org_ids, default), (ROAR_SETTING, roar_org_ids, "*")):
                if bound:
                    _set_default(conn, role, setting, value)
                elif _default(conn, role, setting) is not None:
                    _reset_default(conn, role, setting)
        for name, bound, id_type in (
            ("scope_binding", org_ids, "uuid"),
            ("roar_scope_binding", roar_org_ids, "text"),
        ):
            table = catalog.name_of(name)
            conn.execute(sql.SQL("delete from {} where role_name = %s").format(table), [role])
            conn.execute(
                sql.SQL("insert into {} (role_name, org_id) select %s, unnest(%s::{}[])").format(
                    table, sql.SQL(id_type)
                ),
                [role, sorted(set(bound))],
            )


def unbind(catalog: Catalog, role: str, *, keep_access: bool = False) -> int:
    """Take a role's binding away, its default scope too, and its membership of timeback_reader.

    Without a binding a reader may ask for any organization, so what would narrow a role widens it unless
    it ceases to be a reader.

    Args:
        catalog: the catalog.
        role: the role; one that has been dropped can be unbound too.
        keep_access: leave the membership.

    Returns:
        How many organizations it was bound to.

    Raises:
        TimebackError: the catalog is not deployed, the role is not bound, still reads the views by another
            way, or the connection's role may not do this.
    """
    conn = catalog.conn
    _check_deployed(catalog)
    with _one_transaction(conn, f"unbind {role}"):
        removed = sum(
            conn.execute(
                sql.SQL("delete from {} where role_name = %s").format(catalog.name_of(table)), [role]
            ).rowcount
            for table in ("scope_binding", "roar_scope_binding")
        )
        if not removed:
            raise TimebackError(f"{role} is bound to nothing in database {conn.info.dbname}.")
        if _exists(conn, role):
            for setting in (SETTING, ROAR_SETTING):
                if _default(conn, role, setting) is not None:
                    _reset_default(conn, role, setting)
            if not keep_access:
                _take_access(catalog, role)
        return removed


def show(catalog: Catalog, role: str) -> Bound:
    """What a role is bound to and what it sees now; reads alone, as the role, in a transaction rolled back.

    Raises:
        TimebackError: the catalog is not deployed, or there is no such role.
    """
    conn = catalog.conn
    _check_deployed(catalog)
    if not _exists(conn, role):
        raise TimebackError(f"There is no role {role} on this server.")
    organizations = dict(
        conn.execute(
            sql.SQL(
                """select bound.org_id, organization.name
                from {} as bound
                left join {} as organization on bound.org_id = organization.org_id
                where bound.role_name = %s
                order by organization.name, bound.org_id"""
            ).format(catalog.name_of("scope_binding"), catalog.name_of("stg_one_roster_organization")),
            [role],
        ).fetchall()
    )
    of_roar = conn.execute(
        sql.SQL("select org_id from {} where role_name = %s order by org_id").format(
            catalog.name_of("roar_scope_binding")
        ),
        [role],
    ).fetchall()
    names = _roar_names(catalog, [org_id for (org_id,) in of_roar])
    roar_organizations = {org_id: names.get(org_id) for (org_id,) in of_roar}
    default, roar_default = (_default(conn, role, setting) for setting in (SETTING, ROAR_SETTING))
    notes = _notes(catalog, role, bool(organizations), bool(roar_organizations), default)
    rows = _rows_seen(catalog, role, {SETTING: default or "", ROAR_SETTING: roar_default or ""})
    return Bound(role, organizations, roar_organizations, default, roar_default, rows, notes)


def bound_roles(catalog: Catalog) -> list[tuple[str, int, bool]]:
    """Each bound role: its name, how many organizations it is bound to, whether the role still exists.

    Raises:
        TimebackError: the catalog is not deployed.
    """
    _check_deployed(catalog)
    return catalog.conn.execute(
        sql.SQL(
            """select
                bound.role_name::text,
                count(*),
                exists (select from pg_catalog.pg_roles where pg_roles.rolname = bound.role_name)
            from (
                select role_name from {}
                union all
                select role_name from {}
            ) as bound
            group by bound.role_name
            order by bound.role_name"""
        ).format(catalog.name_of("scope_binding"), catalog.name_of("roar_scope_binding"))
    ).fetchall()


# -- checks ---------------------------------------------------------------------------------------


def _check_deployed(catalog: Catalog) -> None:
    relations = ("scope_binding", "roar_scope_binding", "int_caller_scope", "stg_one_roster_organization")
    for relation in relations:
        is_there, may_read = catalog.conn.execute(
            """select
                pg_class.oid is not null,
                has_schema_privilege(pg_class.relnamespace, 'usage')
                and has_table_privilege(pg_class.oid, 'select')
            from (select 1) as one_row
            left join pg_catalog.pg_class
                on
                    pg_class.relname = %s
                    and pg_class.relnamespace = (
                        select oid from pg_catalog.pg_namespace where nspname = %s
                    )""",
            [relation, catalog.internal],
        ).fetchone()
        if not is_there:
            raise TimebackError(
                f"Database {catalog.conn.info.dbname} has no {catalog.internal}.{relation}: the catalog "
                "is not deployed there. `dbt run` deploys it; TIMEBACK_SCHEMA or --schema names another "
                "schema than analytics."
            )
        if not may_read:
            raise TimebackError(
                f"{catalog.conn.info.user} may not read {catalog.internal}.{relation}. Connect as the role "
                "that deploys the catalog."
            )


def _check_organizations(catalog: Catalog, org_ids: list[UUID]) -> None:
    unknown = catalog.conn.execute(
        sql.SQL(
            """select string_agg(asked.org_id::text, ', ' order by asked.org_id)
            from unnest(%s::uuid[]) as asked (org_id)
            where not exists (select from {} as organization where organization.org_id = asked.org_id)"""
        ).format(catalog.name_of("stg_one_roster_organization")),
        [org_ids],
    ).fetchone()[0]
    if unknown:
        raise TimebackError(
            f"The operational tables have no organization {unknown}. Nothing was changed. "
            f"`select id, name from {catalog.schema}.schools` lists the schools."
        )


def _check_roar_organizations(catalog: Catalog, org_ids: Sequence[str]) -> None:
    if not org_ids:
        return
    if not _has_roar(catalog):
        raise TimebackError(
            f"The catalog of database {catalog.conn.info.dbname} has no ROAR datasets, so no role can be "
            "bound to organizations of ROAR. `dbt run --vars 'roar: true'` deploys them."
        )
    missing = sorted(set(org_ids) - _roar_names(catalog, org_ids).keys())
    if missing:
        raise TimebackError(
            f"ROAR's documents have no district, school, class, group or family {', '.join(missing)}. "
            f"Nothing was changed. `select id, name from {catalog.schema}.roar_schools` lists the schools."
        )


def _has_roar(catalog: Catalog) -> bool:
    name = catalog.name_of("int_roar_organization").as_string(catalog.conn)
    return catalog.conn.execute("select to_regclass(%s) is not null", [name]).fetchone()[0]


def _roar_names(catalog: Catalog, org_ids: Sequence[str]) -> dict[str, str | None]:
    """Id -> name, of those that there are; where two kinds share an id, one of the names."""
    if not org_ids or not _has_roar(catalog):
        return {}
    return dict(
        catalog.conn.execute(
            sql.SQL("select org_id, min(name) from {} where org_id = any(%s) group by org_id").format(
                catalog.name_of("int_roar_organization")
            ),
            [list(org_ids)],
        ).fetchall()
    )


def _check_default(catalog: Catalog, default: str, org_ids: list[UUID]) -> None:
    """The default is read by the very function that reads the setting, so that both take the same lists."""
    conn = catalog.conn
    try:
        with conn.transaction(force_rollback=True):
            is_everyone, asked = conn.execute(
                sql.SQL("select is_everyone, org_ids from {}(%s, %s, null, true)").format(
                    catalog.name_of("caller_scope")
                ),
                [SETTING, default],
            ).fetchone()
    except psycopg.errors.InvalidParameterValue as error:
        raise TimebackError(
            f"The default scope {default!r} is none: {error.diag.message_primary}. It is `*`, for all that "
            "the role is bound to, or a list of organization ids with commas between them."
        ) from error
    beyond = set() if is_everyone else set(asked) - set(org_ids)
    if beyond:
        raise TimebackError(
            f"The default scope names {', '.join(map(str, sorted(beyond)))}, to which the "
            "role would not be bound."
        )


# -- changes --------------------------------------------------------------------------------------


@contextmanager
def _one_transaction(conn: psycopg.Connection, purpose: str) -> Iterator[None]:
    """A transaction in which a lack of rights becomes an error that says whose and what for."""
    try:
        with conn.transaction():
            yield
    except psycopg.errors.InsufficientPrivilege as error:
        hint = "docs/security.md lists the rights it takes."
        if "parameter" in (error.diag.message_primary or ""):
            setting = ROAR_SETTING if ROAR_SETTING in error.diag.message_primary else SETTING
            hint = (
                f"An administrator may allow it with: grant set on parameter {setting} to {conn.info.user}; "
                "(PostgreSQL 15 or newer). --no-default leaves the role's setting alone: its clients then "
                "set the scope themselves."
            )
        raise TimebackError(
            f"{conn.info.user} may not {purpose}: {error.diag.message_primary}. Nothing was changed. {hint}"
        ) from error


def _create_role(conn: psycopg.Connection, role: str, password: str | None) -> None:
    if _exists(conn, role):
        raise TimebackError(f"Role {role} exists already; without --create it is bound as it is.")
    if not _exists(conn, READER):
        raise TimebackError(
            f"There is no role {READER} on this server. `dbt run` as a role that may create roles makes it, "
            f"or an administrator does: create role {READER} nologin;"
        )
    # nothing that a reader needs, said in full, since a server's defaults may have been changed
    statement = sql.SQL("create role {} login nosuperuser nocreatedb nocreaterole noreplication").format(
        sql.Identifier(role)
    )
    if password is not None:
        # a hash made here: the password itself would stand in the server's log
        hashed = conn.pgconn.encrypt_password(password.encode(), role.encode()).decode()
        statement += sql.SQL(" password {}").format(sql.Literal(hashed))
    conn.execute(statement)
    conn.execute(sql.SQL("grant {} to {}").format(sql.Identifier(READER), sql.Identifier(role)))


def _take_access(catalog: Catalog, role: str) -> None:
    conn = catalog.conn
    conn.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(READER), sql.Identifier(role)))
    still_reads, is_superuser = conn.execute(
        """select
            bool_or(has_table_privilege(pg_roles.oid, pg_class.oid, 'select')), bool_or(pg_roles.rolsuper)
        from pg_catalog.pg_class
        cross join pg_catalog.pg_roles
        where
            pg_class.relnamespace = to_regnamespace(quote_ident(%s))
            and pg_class.relkind = 'v'
            and pg_roles.rolname = %s""",
        [catalog.schema, role],
    ).fetchone()
    if still_reads:
        why = "it is a superuser" if is_superuser else "another role or a grant of its own lets it"
        raise TimebackError(
            f"{role} would still read the published views, since {why}, and without its binding it could ask "
            "for any organization. Nothing was changed. Take that right away first, or say --keep-access."
        )


def _set_default(conn: psycopg.Connection, role: str, setting: str, value: str) -> None:
    conn.execute(
        sql.SQL("alter role {} in database {} set {} = {}").format(
            sql.Identifier(role), sql.Identifier(conn.info.dbname), _quoted(setting), sql.Literal(value)
        )
    )


def _reset_default(conn: psycopg.Connection, role: str, setting: str) -> None:
    conn.execute(
        sql.SQL("alter role {} in database {} reset {}").format(
            sql.Identifier(role), sql.Identifier(conn.info.dbname), _quoted(setting)
        )
    )


def _quoted(setting: str) -> sql.Composed:
    return sql.SQL(".").join(map(sql.Identifier, setting.split(".")))


# -- what is there --------------------------------------------------------------------------------


def _exists(conn: psycopg.Connection, role: str) -> bool:
    return conn.execute(
        "select exists (select from pg_catalog.pg_roles where rolname = %s)", [role]
    ).fetchone()[0]


def _default(conn: psycopg.Connection, role: str, setting: str) -> str | None:
    """The role's setting in this database, else everywhere; None where it has neither."""
    row = conn.execute(
        """select substr(element.setting, length(%(name)s) + 2)
        from pg_catalog.pg_db_role_setting
        inner join pg_catalog.pg_roles on pg_db_role_setting.setrole = pg_roles.oid
        cross join unnest(pg_db_role_setting.setconfig) as element (setting)
        where
            pg_roles.rolname = %(role)s
            and pg_db_role_setting.setdatabase in (
                0, (select oid from pg_catalog.pg_database where datname = current_database())
            )
            and starts_with(element.setting, %(name)s || '=')
        order by pg_db_role_setting.setdatabase desc
        limit 1""",
        {"name": setting, "role": role},
    ).fetchone()
    return row[0] if row else None


def _notes(
    catalog: Catalog, role: str, is_bound_to_roster: bool, is_bound_to_roar: bool, default: str | None
) -> tuple[str, ...]:
    is_bound = is_bound_to_roster or is_bound_to_roar
    conn = catalog.conn
    is_superuser, is_reader, is_unrestricted, owns = conn.execute(
        """select
            pg_roles.rolsuper,
            exists (
                select from pg_catalog.pg_roles as reader
                where reader.rolname = %s and pg_has_role(pg_roles.oid, reader.oid, 'usage')
            ),
            exists (
                select from pg_catalog.pg_roles as unrestricted
                where unrestricted.rolname = %s and pg_has_role(pg_roles.oid, unrestricted.oid, 'member')
            ),
            pg_has_role(pg_roles.oid, (
                select pg_class.relowner from pg_catalog.pg_class
                where pg_class.oid = to_regclass(quote_ident(%s) || '.int_caller_scope')
            ), 'member')
        from pg_catalog.pg_roles
        where pg_roles.rolname = %s""",
        [READER, UNRESTRICTED, catalog.internal, role],
    ).fetchone()
    members = conn.execute(
        """select string_agg(member.rolname, ', ' order by member.rolname)
        from pg_catalog.pg_auth_members
        inner join pg_catalog.pg_roles as granted on pg_auth_members.roleid = granted.oid
        inner join pg_catalog.pg_roles as member on pg_auth_members.member = member.oid
        where granted.rolname = %s and member.rolcanlogin and not member.rolsuper""",
        [role],
    ).fetchone()[0]
    notes = []
    if is_bound and is_superuser:
        notes.append(
            f"{role} is a superuser: the binding narrows the published views and nothing else, and a "
            "superuser reads every table and may unbind itself."
        )
    elif is_bound and owns:
        notes.append(
            f"{role} can act as the role that deploys the catalog: the binding narrows the published views "
            "and nothing else."
        )
    elif is_bound and is_unrestricted:
        notes.append(
            f"{role} is a member of {UNRESTRICTED}, which the binding overrides: `*` is what it is bound to."
        )
    if not is_bound and is_reader and not is_superuser:
        notes.append(
            f"{role} is not bound: it may ask for any organization that it names with "
            f"set {SETTING} = '...', so its scope rests on the clients that use it."
        )
    if not is_reader:
        notes.append(
            f"{role} is no member of {READER}, so it sees nothing. Give it the views: grant {READER} to "
            f"{sql.Identifier(role).as_string(conn)};"
        )
    if is_bound and members:
        notes.append(
            f"A binding is of one role, not of its members: {members} can log in and is bound to nothing by "
            f"this unless it says set role {role}. Bind each login."
        )
    if is_bound_to_roster != is_bound_to_roar and _has_roar(catalog):
        kinds = ("ROAR", "ROAR's organizations") if is_bound_to_roster else ("the roster", "the roster's")
        notes.append(f"{role} sees nothing of {kinds[0]}: it is bound, and to none of {kinds[1]}.")
    if default is None and not (is_bound_to_roar and not is_bound_to_roster):
        notes.append(f"{role} has no default scope: it sees no row until its session sets {SETTING}.")
    return tuple(notes)


def _rows_seen(catalog: Catalog, role: str, scopes: dict[str, str]) -> dict[str, int | str]:
    conn = catalog.conn
    views = catalog.scoped_views()
    seen: dict[str, int | str] = {}
    with conn.transaction(force_rollback=True):
        try:
            with conn.transaction():
                conn.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        except psycopg.errors.InsufficientPrivilege:
            reason = f"not known: {conn.info.user} may not take on {role}"
            return dict.fromkeys(views, reason)
        for setting, scope in scopes.items():
            conn.execute("select set_config(%s, %s, true)", [setting, scope])
        for view in views:
            try:
                with conn.transaction():
                    seen[view] = conn.execute(
                        sql.SQL("select count(*) from {}").format(sql.Identifier(catalog.schema, view))
                    ).fetchone()[0]
            except psycopg.Error as error:
                seen[view] = error.diag.message_primary or str(error)
    return seen
