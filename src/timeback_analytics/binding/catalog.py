"""The deployed catalog, as bindings know it, and what of it can be looked up."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg import sql

from timeback_analytics.catalog.names import BOUND
from timeback_analytics.catalog.scopes import scopes, timeback_scope
from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row


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
                    select to_regclass(quote_ident(%s) || '.' || quote_ident(caller))
                    from unnest(%s::text[]) as caller
                )
            order by pg_class.relname""",
            [self.schema, self.internal, [scope.caller for scope in scopes().values()]],
        )
        return [name for (name,) in rows]


def check_deployed(catalog: Catalog) -> None:
    """Raise TimebackError where the catalog is not deployed, or the connection may not read what it takes."""
    relations = (
        *(scope.binding for scope in scopes().values()),
        timeback_scope().caller,
        "stg_one_roster_organization",
    )
    for relation in relations:
        is_there, may_read = first_row(
            catalog.conn.execute(
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
            )
        )
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


def check_organizations(catalog: Catalog, org_ids: list[UUID]) -> None:
    """Raise TimebackError for organizations that the operational tables do not have."""
    unknown = first_row(
        catalog.conn.execute(
            sql.SQL(
                """select string_agg(asked.org_id::text, ', ' order by asked.org_id)
            from unnest(%s::uuid[]) as asked (org_id)
            where not exists (select from {} as organization where organization.org_id = asked.org_id)"""
            ).format(catalog.name_of("stg_one_roster_organization")),
            [org_ids],
        )
    )[0]
    if unknown:
        raise TimebackError(
            f"The operational tables have no organization {unknown}. Nothing was changed. "
            f"`select id, name from {catalog.schema}.schools` lists the schools."
        )


def check_roar_organizations(catalog: Catalog, org_ids: Sequence[str]) -> None:
    """Raise TimebackError for organizations that ROAR's documents do not have."""
    if not org_ids:
        return
    if not has_roar(catalog):
        raise TimebackError(
            f"The catalog of database {catalog.conn.info.dbname} has no ROAR datasets, so no role can be "
            "bound to organizations of ROAR. `dbt run --vars 'roar: true'` deploys them."
        )
    missing = sorted(set(org_ids) - roar_names(catalog, org_ids).keys())
    if missing:
        raise TimebackError(
            f"ROAR's documents have no district, school, class, group or family {', '.join(missing)}. "
            f"Nothing was changed. `select id, name from {catalog.schema}.roar_schools` lists the schools."
        )


def has_roar(catalog: Catalog) -> bool:
    """Whether the ROAR datasets are deployed."""
    name = catalog.name_of("int_roar_organization").as_string(catalog.conn)
    return first_row(catalog.conn.execute("select to_regclass(%s) is not null", [name]))[0]


def roar_names(catalog: Catalog, org_ids: Sequence[str]) -> dict[str, str | None]:
    """Id -> name, of those that there are; where two kinds share an id, one of the names."""
    if not org_ids or not has_roar(catalog):
        return {}
    return dict(
        catalog.conn.execute(
            sql.SQL("select org_id, min(name) from {} where org_id = any(%s) group by org_id").format(
                catalog.name_of("int_roar_organization")
            ),
            [list(org_ids)],
        ).fetchall()
    )


def check_default(catalog: Catalog, default: str, org_ids: list[UUID]) -> None:
    """The default is read by the very function that reads the setting, so that both take the same lists."""
    conn = catalog.conn
    try:
        with conn.transaction(force_rollback=True):
            is_everyone, asked = first_row(
                conn.execute(
                    sql.SQL("select is_everyone, org_ids from {}(%s, %s, null, current_user, true)").format(
                        catalog.name_of(timeback_scope().parser)
                    ),
                    [timeback_scope().setting, default],
                )
            )
    except psycopg.errors.InvalidParameterValue as error:
        raise TimebackError(
            f"The default scope {default!r} is not valid: {error.diag.message_primary}. It is `*`, for all "
            "that the role is bound to, or a list of organization ids with commas between them."
        ) from error
    beyond = set() if is_everyone else set(asked) - set(org_ids)
    if beyond:
        raise TimebackError(
            f"The default scope names {', '.join(map(str, sorted(beyond)))}, to which the "
            "role would not be bound."
        )


def role_exists(conn: psycopg.Connection, role: str) -> bool:
    """Whether the server has a role of this name."""
    return first_row(
        conn.execute("select exists (select from pg_catalog.pg_roles where rolname = %s)", [role])
    )[0]


def default_scope(conn: psycopg.Connection, role: str, setting: str) -> str | None:
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


def is_marked_as_bound(conn: psycopg.Connection, role: str) -> bool:
    """Whether a role is a direct member of timeback_bound, without the right to grant it."""
    return first_row(
        conn.execute(
            """select exists (
            select from pg_catalog.pg_auth_members
            inner join pg_catalog.pg_roles as marker on pg_auth_members.roleid = marker.oid
            inner join pg_catalog.pg_roles as member on pg_auth_members.member = member.oid
            where marker.rolname = %s and member.rolname = %s and not pg_auth_members.admin_option
        )""",
            [BOUND, role],
        )
    )[0]
