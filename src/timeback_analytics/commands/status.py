"""timeback status: what there is in this checkout, and what to do with it."""

import click
import psycopg
from psycopg import sql

from timeback_analytics.catalog.names import SCOPE_SETTING, internal_schema
from timeback_analytics.commands._options import published_schema
from timeback_analytics.project import project_root
from timeback_analytics.queries import first_row
from timeback_analytics.server import project_server

_LARGEST_SCHOOL = """
    select membership.org_id
    from {internal}.int_person_current_organization as membership
    inner join {internal}.int_student as student on membership.person_id = student.id
    inner join {published}.schools as school on membership.org_id = school.id
    group by membership.org_id
    order by count(*) desc, membership.org_id
    limit 1
"""


@click.command()
def command() -> None:
    """Say what is built on the embedded server, where its documentation is, and how to connect."""
    server = project_server()
    if not server.is_running():
        click.echo(
            "The embedded server does not run. `timeback server start` starts it, `make run` builds all."
        )
        return
    schema = published_schema()
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        (views,) = first_row(
            conn.execute("select count(*) from pg_catalog.pg_views where schemaname = %s", [schema])
        )
        school = _largest_school(conn, schema)
    docs = project_root() / "target" / "docs" / "index.html"
    click.echo(f"Published views:   {views}, in schema {schema}")
    click.echo(f"Documentation:     {docs if docs.exists() else 'not made yet; make docs'}")
    click.echo(f"Connection string: {server.dsn()}")
    if server.tcp_port:
        click.echo("  over TCP:        timeback server url --tcp")
    if not school:
        return
    click.echo(f"""
What to do next
  source .venv/bin/activate
  timeback server psql           then, for the students of one school:
    set {SCOPE_SETTING} = '{school}';
    select * from {schema}.students limit 10;
  timeback --help                loads your own export, and more; README.md says how""")


def _largest_school(conn: psycopg.Connection, schema: str) -> str | None:
    names = {"published": sql.Identifier(schema), "internal": sql.Identifier(internal_schema(schema))}
    try:
        row = conn.execute(sql.SQL(_LARGEST_SCHOOL).format(**names)).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return str(row[0]) if row else None
