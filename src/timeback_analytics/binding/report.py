"""What a role is bound to and sees."""

from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from psycopg import sql

from timeback_analytics.binding.catalog import (
    Catalog,
    check_deployed,
    default_scope,
    has_roar,
    is_marked_as_bound,
    roar_names,
    role_exists,
)
from timeback_analytics.catalog.names import BOUND, READER, UNRESTRICTED
from timeback_analytics.catalog.scopes import roar_scope, scopes, timeback_scope
from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row
from timeback_analytics.voiding_rights import rights_that_void_a_binding


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


def show(catalog: Catalog, role: str) -> Bound:
    """What a role is bound to and what it sees now; reads alone, as the role, in a transaction rolled back.

    Raises:
        TimebackError: the catalog is not deployed, or there is no such role.
    """
    conn = catalog.conn
    check_deployed(catalog)
    if not role_exists(conn, role):
        raise TimebackError(f"There is no role {role} on this server.")
    roster, roar = timeback_scope(), roar_scope()
    organizations: dict[UUID, str | None] = dict(
        conn.execute(
            sql.SQL(
                """select bound.org_id, organization.name
                from {} as bound
                left join {} as organization on bound.org_id = organization.org_id
                where bound.role_name = %s
                order by organization.name, bound.org_id"""
            ).format(catalog.name_of(roster.binding), catalog.name_of("stg_one_roster_organization")),
            [role],
        ).fetchall()
    )
    of_roar = conn.execute(
        sql.SQL("select org_id from {} where role_name = %s order by org_id").format(
            catalog.name_of(roar.binding)
        ),
        [role],
    ).fetchall()
    names = roar_names(catalog, [org_id for (org_id,) in of_roar])
    roar_organizations = {org_id: names.get(org_id) for (org_id,) in of_roar}
    default, roar_default = (default_scope(conn, role, scope.setting) for scope in (roster, roar))
    return Bound(
        role,
        organizations,
        roar_organizations,
        default,
        roar_default,
        _rows_seen(catalog, role, {roster.setting: default or "", roar.setting: roar_default or ""}),
        notes_on(catalog, role, bool(organizations), bool(roar_organizations), default),
    )


@dataclass(frozen=True)
class BoundRole:
    """One bound role.

    Attributes:
        name: as the binding has it.
        organizations: how many it is bound to, of both scopes.
        problem: why it sees nothing of them; empty where it does.
    """

    name: str
    organizations: int
    problem: str


def bound_roles(catalog: Catalog) -> list[BoundRole]:
    """Each role that a binding of this database names, by name.

    Raises:
        TimebackError: the catalog is not deployed.
    """
    check_deployed(catalog)
    bindings = sql.SQL(" union all ").join(
        sql.SQL("select role_name, role_oid from {}").format(catalog.name_of(scope.binding))
        for scope in scopes().values()
    )
    rows = catalog.conn.execute(
        sql.SQL(
            """select
                bound.role_name::text,
                count(*),
                case
                    when named.oid is null and max(renamed.rolname) is not null
                        then 'renamed to ' || max(renamed.rolname) || ', which sees nothing until it is bound'
                    when named.oid is null then 'no role of this name: dropped'
                    when bool_or(bound.role_oid <> named.oid)
                        then 'not the role of this name that was bound, and sees nothing until it is bound'
                    else ''
                end
            from ({}) as bound
            left join pg_catalog.pg_roles as named on bound.role_name = named.rolname
            left join pg_catalog.pg_roles as renamed
                on bound.role_oid = renamed.oid and bound.role_name <> renamed.rolname
            group by bound.role_name, named.oid
            order by bound.role_name"""
        ).format(bindings)
    ).fetchall()
    return [BoundRole(*row) for row in rows]


def notes_on(
    catalog: Catalog, role: str, is_bound_to_roster: bool, is_bound_to_roar: bool, default: str | None
) -> tuple[str, ...]:
    """What somebody who looks at a role's binding should know besides."""
    is_bound = is_bound_to_roster or is_bound_to_roar
    conn = catalog.conn
    standing = _standing(catalog, role)
    notes = _what_a_binding_does_not_narrow(catalog, role, standing) if is_bound else []
    if not is_bound and is_marked_as_bound(conn, role):
        notes.append(
            f"{role} is bound in another database of this server, or was: it is a member of {BOUND}. Without "
            "a binding here it sees nothing here."
        )
    elif not is_bound and standing.is_reader and not standing.is_superuser:
        notes.append(
            f"{role} is not bound: it may ask for any organization that it names with "
            f"set {timeback_scope().setting} = '...', so its scope rests on the clients that use it."
        )
    if not standing.is_reader:
        notes.append(
            f"{role} is not a member of {READER}, so it sees nothing. Give it the views: grant {READER} to "
            f"{sql.Identifier(role).as_string(conn)};"
        )
    members = _logins_that_are_members(conn, role)
    if is_bound and members:
        notes.append(
            f"A binding is of one role, not of its members: {members} can log in and is bound to nothing by "
            f"this unless it says set role {role}. Bind each login."
        )
    if is_bound_to_roster != is_bound_to_roar and has_roar(catalog):
        kinds = ("ROAR", "ROAR's organizations") if is_bound_to_roster else ("the roster", "the roster's")
        notes.append(f"{role} sees nothing of {kinds[0]}: it is bound, and to none of {kinds[1]}.")
    if default is None and not (is_bound_to_roar and not is_bound_to_roster):
        notes.append(
            f"{role} has no default scope: it sees no row until its session sets {timeback_scope().setting}."
        )
    return tuple(notes)


@dataclass(frozen=True)
class _Standing:
    """What a role may do whether it is bound or not.

    Attributes:
        is_superuser: whether it is one.
        is_reader: whether it has the rights of the catalog's readers.
        is_unrestricted: whether it may ask for every organization.
        owns: whether it can act as the role that deploys the catalog.
    """

    is_superuser: bool
    is_reader: bool
    is_unrestricted: bool
    owns: bool


def _standing(catalog: Catalog, role: str) -> _Standing:
    return _Standing(
        *first_row(
            catalog.conn.execute(
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
            )
        )
    )


def _logins_that_are_members(conn: psycopg.Connection, role: str) -> str | None:
    """The names of those that can log in, with commas; None where there is none."""
    return first_row(
        conn.execute(
            """select string_agg(member.rolname, ', ' order by member.rolname)
        from pg_catalog.pg_auth_members
        inner join pg_catalog.pg_roles as granted on pg_auth_members.roleid = granted.oid
        inner join pg_catalog.pg_roles as member on pg_auth_members.member = member.oid
        where granted.rolname = %s and member.rolcanlogin and not member.rolsuper""",
            [role],
        )
    )[0]


def _what_a_binding_does_not_narrow(catalog: Catalog, role: str, standing: _Standing) -> list[str]:
    notes = []
    if standing.is_superuser:
        notes.append(
            f"{role} is a superuser: the binding narrows the published views and nothing else, and a "
            "superuser reads every table and may unbind itself."
        )
    elif standing.owns:
        notes.append(
            f"{role} can act as the role that deploys the catalog: the binding narrows the published views "
            "and nothing else."
        )
    else:
        notes += [
            f"{role} {right}, which its binding does not narrow."
            for right in rights_that_void_a_binding(catalog.conn, catalog.schema, role)
        ]
        if standing.is_unrestricted:
            notes.append(
                f"{role} is a member of {UNRESTRICTED}, which the binding overrides: `*` is what it is "
                "bound to."
            )
    return notes


def _rows_seen(catalog: Catalog, role: str, asked: dict[str, str]) -> dict[str, int | str]:
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
        for setting, scope in asked.items():
            conn.execute("select set_config(%s, %s, true)", [setting, scope])
        for view in views:
            try:
                with conn.transaction():
                    seen[view] = first_row(
                        conn.execute(
                            sql.SQL("select count(*) from {}").format(sql.Identifier(catalog.schema, view))
                        )
                    )[0]
            except psycopg.Error as error:
                seen[view] = error.diag.message_primary or str(error)
    return seen
