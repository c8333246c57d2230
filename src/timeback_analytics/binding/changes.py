"""Binding a role and unbinding it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg
from psycopg import sql

from timeback_analytics.binding.catalog import (
    Catalog,
    check_default,
    check_deployed,
    check_organizations,
    check_roar_organizations,
    default_scope,
    is_marked_as_bound,
    role_exists,
)
from timeback_analytics.catalog.names import BOUND, READER
from timeback_analytics.catalog.scopes import Scope, roar_scope, scopes, timeback_scope
from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row


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
    check_deployed(catalog)
    if not org_ids and not roar_org_ids:
        raise TimebackError(f"No organization is named to bind {role} to.")
    check_organizations(catalog, org_ids)
    check_roar_organizations(catalog, roar_org_ids)
    if default is not None and org_ids:
        check_default(catalog, default, org_ids)
    roster, roar = timeback_scope(), roar_scope()
    with _one_transaction(conn, f"bind {role}"):
        if create:
            _create_role(conn, role, password)
        elif not role_exists(conn, role):
            raise TimebackError(f"There is no role {role} on this server. --create makes it.")
        if default is not None:
            wanted = {
                roster.setting: default if org_ids else None,
                roar.setting: "*" if roar_org_ids else None,
            }
            _set_defaults(conn, role, wanted)
        _note_defaults(catalog, role, is_wanted=default is not None)
        _mark(conn, role)
        for scope, bound in ((roster, org_ids), (roar, roar_org_ids)):
            _delete_rows(catalog, scope, role)
            conn.execute(
                sql.SQL(
                    "insert into {} (role_name, org_id, role_oid) select %s, unnest(%s::{}[]), {}"
                ).format(catalog.name_of(scope.binding), sql.SQL(scope.org_type), _oid(role)),
                [role, sorted(set(bound), key=str)],
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
    check_deployed(catalog)
    with _one_transaction(conn, f"unbind {role}"):
        removed = sum(_delete_rows(catalog, scope, role) for scope in scopes().values())
        is_marked = is_marked_as_bound(conn, role)
        if not removed and not is_marked:
            raise TimebackError(f"{role} is bound to nothing in database {conn.info.dbname}.")
        if role_exists(conn, role):
            _set_defaults(conn, role, dict.fromkeys(scope.setting for scope in scopes().values()))
            if not keep_access:
                _take_access(catalog, role)
            if is_marked:
                conn.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(BOUND), sql.Identifier(role)))
        _note_defaults(catalog, role, is_wanted=False)
        return removed


@contextmanager
def _one_transaction(conn: psycopg.Connection, purpose: str) -> Iterator[None]:
    """A transaction in which a lack of rights becomes an error that says whose and what for."""
    try:
        with conn.transaction():
            yield
    except psycopg.errors.InsufficientPrivilege as error:
        hint = "docs/security.md lists the rights it takes."
        message = error.diag.message_primary or ""
        if "parameter" in message:
            setting = next(
                (scope.setting for scope in scopes().values() if scope.setting in message),
                timeback_scope().setting,
            )
            hint = (
                f"An administrator may allow it with: grant set on parameter {setting} to {conn.info.user}; "
                "(PostgreSQL 15 or newer). --no-default leaves the role's setting alone: its clients then "
                "set the scope themselves."
            )
        raise TimebackError(
            f"{conn.info.user} may not {purpose}: {error.diag.message_primary}. Nothing was changed. {hint}"
        ) from error


def _delete_rows(catalog: Catalog, scope: Scope, role: str) -> int:
    """Take the rows of a role out of a table of bindings, whatever name they have; gives their number."""
    statement = sql.SQL("delete from {} where role_name = %s or role_oid = {}")
    return catalog.conn.execute(statement.format(catalog.name_of(scope.binding), _oid(role)), [role]).rowcount


def _oid(role: str) -> sql.Composed:
    """SQL for the oid of a role; null where there is no such role."""
    return sql.SQL("(select oid from pg_catalog.pg_roles where rolname = {})").format(sql.Literal(role))


def _mark(conn: psycopg.Connection, role: str) -> None:
    """Makes the role a member of timeback_bound, unless it is one."""
    if is_marked_as_bound(conn, role):
        return
    if not role_exists(conn, BOUND):
        raise TimebackError(
            f"There is no role {BOUND} on this server, which marks roles that are bound. `dbt run` as a role "
            f"that may create roles makes it, or an administrator does: create role {BOUND} nologin;"
        )
    conn.execute(sql.SQL("grant {} to {}").format(sql.Identifier(BOUND), sql.Identifier(role)))
    if not is_marked_as_bound(conn, role):
        raise TimebackError(
            f"{role} may grant {BOUND} itself (admin option), so it could take its own binding away. Nothing "
            f"was changed. Take that right away first: revoke {BOUND} from {role};"
        )


def _create_role(conn: psycopg.Connection, role: str, password: str | None) -> None:
    if role_exists(conn, role):
        raise TimebackError(f"Role {role} exists already; without --create it is bound as it is.")
    if not role_exists(conn, READER):
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
    # compiling the plan of a heavy view takes longer than running it; the role may set it again
    conn.execute(sql.SQL("alter role {} set jit = off").format(sql.Identifier(role)))


def _take_access(catalog: Catalog, role: str) -> None:
    conn = catalog.conn
    conn.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(READER), sql.Identifier(role)))
    still_reads, is_superuser = first_row(
        conn.execute(
            """select
            bool_or(has_table_privilege(pg_roles.oid, pg_class.oid, 'select')), bool_or(pg_roles.rolsuper)
        from pg_catalog.pg_class
        cross join pg_catalog.pg_roles
        where
            pg_class.relnamespace = to_regnamespace(quote_ident(%s))
            and pg_class.relkind = 'v'
            and pg_roles.rolname = %s""",
            [catalog.schema, role],
        )
    )
    if still_reads:
        why = "it is a superuser" if is_superuser else "another role or a grant of its own lets it"
        raise TimebackError(
            f"{role} would still read the published views, since {why}, and without its binding it could ask "
            "for any organization. Nothing was changed. Take that right away first, or say --keep-access."
        )


def _set_defaults(conn: psycopg.Connection, role: str, values: Mapping[str, str | None]) -> None:
    """Sets what a role sees, by setting, where its session asks for nothing; None takes it away."""
    alter = sql.SQL("alter role {} in database {} ").format(
        sql.Identifier(role), sql.Identifier(conn.info.dbname)
    )
    for setting, value in values.items():
        if value is not None:
            conn.execute(alter + sql.SQL("set {} = {}").format(_quoted(setting), sql.Literal(value)))
        elif default_scope(conn, role, setting) is not None:
            conn.execute(alter + sql.SQL("reset {}").format(_quoted(setting)))


def _note_defaults(catalog: Catalog, role: str, *, is_wanted: bool) -> None:
    """Notes the role's default scopes as they are now, so that a run can set them again after a restore."""
    conn, table = catalog.conn, catalog.name_of("default_scope")
    (exists,) = first_row(conn.execute("select to_regclass(%s) is not null", [table.as_string(conn)]))
    if not exists:
        # deployed by an earlier version: the next run makes the table and notes what is set
        return
    conn.execute(sql.SQL("delete from {} where role_name = %s").format(table), [role])
    if not is_wanted:
        return
    for scope in scopes().values():
        value = default_scope(conn, role, scope.setting)
        if value is not None:
            conn.execute(
                sql.SQL("insert into {} (role_name, setting, value) values (%s, %s, %s)").format(table),
                [role, scope.setting, value],
            )


def _quoted(setting: str) -> sql.Composed:
    return sql.SQL(".").join(map(sql.Identifier, setting.split(".")))
