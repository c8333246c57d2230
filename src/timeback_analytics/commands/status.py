"""timeback status: what there is in this checkout, and what to do with it."""

import os

import click
import psycopg
from psycopg import sql

from timeback_analytics import audit
from timeback_analytics.catalog.names import SCOPE_SETTING, internal_schema
from timeback_analytics.commands._options import manifest_path, published_schema, target_option
from timeback_analytics.connection import connect
from timeback_analytics.errors import TimebackError
from timeback_analytics.job.history import moment, read_json
from timeback_analytics.project import project_root, state_dir
from timeback_analytics.queries import first_row
from timeback_analytics.server import project_server

_LARGEST_SCHOOL = """
    select membership.org_id
    from {internal}.int_person_current_organization as membership
    inner join {internal}.int_students as student on membership.person_id = student.id
    inner join {published}.schools as school on membership.org_id = school.id
    group by membership.org_id
    order by count(*) desc, membership.org_id
    limit 1
"""


@click.command()
@target_option
def command(target: str) -> None:
    """Say what is built, how it stands, where its documentation is, and how to connect.

    The exit code is 1 where the last job was not green, nothing is deployed, or the audit finds something.
    """
    if (
        target == "embedded"
        and not os.environ.get("TIMEBACK_EMBEDDED_HOST")
        and not project_server().is_running()
    ):
        click.echo(
            "The embedded server does not run. `timeback server start` starts it, `make run` builds all."
        )
        return
    schema = published_schema()
    problems: list[str] = []
    with connect(target, autocommit=True) as conn:
        (views,) = first_row(
            conn.execute("select count(*) from pg_catalog.pg_views where schemaname = %s", [schema])
        )
        click.echo(f"Published views:   {views}, in schema {schema}")
        if target == "server":
            click.echo(
                f"Database:          {conn.info.dbname} on {conn.info.host}, as {conn.info.user}, "
                f"PostgreSQL {conn.info.parameter_status('server_version')}"
            )
        if views:
            problems += _broken_rules(conn, schema)
        else:
            problems.append("nothing is deployed: dbt run, or timeback job")
        where = (target, conn.info.dbname, conn.info.host, schema)
        school = _largest_school(conn, schema) if target == "embedded" else None
    _say_last_job(where, problems)
    click.echo("Health:            " + ("; ".join(problems) if problems else "nothing to report"))
    docs = project_root() / "target" / "docs" / "index.html"
    click.echo(f"Documentation:     {docs if docs.exists() else 'not made yet; make docs'}")
    if target == "embedded":
        _say_how_to_connect(school, schema)
    if problems:
        click.get_current_context().exit(1)


def _broken_rules(conn: psycopg.Connection, schema: str) -> list[str]:
    """What the audit finds, in one sentence; nothing where the manifest or the right to look is missing."""
    try:
        manifest = audit.read_manifest(manifest_path(None))
        found = audit.find_breaches(conn, manifest, schema)
    except TimebackError:
        return []
    return [f"the audit finds {len(found)} broken rules: timeback audit"] if found else []


def _say_last_job(where: tuple[str, str, str, str], problems: list[str]) -> None:
    """The last job on this catalog, out of its report."""
    path = state_dir() / "jobs" / "latest" / "report.json"
    report = read_json(path)
    about = (report or {}).get("about", {})
    if report is None or tuple(about.get(name) for name in ("target", "database", "host", "schema")) != where:
        click.echo("Last job:          none that is known here")
        return
    click.echo(f"Last job:          {moment(report['started_at'])}: {report['sentence']}")
    if report["exit_code"]:
        problems.append(f"the last job was not green: {path.with_suffix('.html')}")


def _say_how_to_connect(school: str | None, schema: str) -> None:
    server = project_server()
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
