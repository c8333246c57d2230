"""timeback migrate: a migration of the operational tables, while people read the catalog."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psycopg
import yaml
from psycopg import sql

from timeback_analytics.catalog.names import internal_schema, our_schemas
from timeback_analytics.commands._options import schema_option, target_option
from timeback_analytics.connection import connect, connection_string
from timeback_analytics.errors import TimebackError
from timeback_analytics.job.lock import LOCK_TABLE, JobLock
from timeback_analytics.migrate.dependents import Dependent
from timeback_analytics.migrate.run import Done, Migration
from timeback_analytics.migrate.sources import read_sources
from timeback_analytics.project import project_root, state_dir
from timeback_analytics.queries import first_row


@click.command(
    epilog="""\b
Examples:
  timeback migrate --sql 0042_longer_names.sql --target server --dry-run
  timeback migrate --sql 0042_longer_names.sql --target server
  timeback migrate --sql 0042_longer_names.sql --target server --plan > plan.sql
  timeback migrate --target server -- alembic upgrade head
""",
)
@click.option(
    "--sql", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The migration's SQL."
)
@click.argument("command_line", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--dry-run", is_flag=True, help="Do all of it, and undo it.")
@click.option("--plan", "only_plan", is_flag=True, help="Print all of it as plain SQL, and do nothing.")
@click.option(
    "--lock-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long to try for a lock that somebody else holds.",
)
@click.option(
    "--vars", "variables", envvar="TIMEBACK_VARS", default="{}", help="dbt's variables, as for dbt."
)
@target_option
@schema_option
def command(
    path: Path | None,
    command_line: tuple[str, ...],
    dry_run: bool,
    only_plan: bool,
    lock_seconds: float,
    variables: str,
    target: str,
    schema: str,
) -> None:
    """Run a migration of the operational tables, under the views that depend on them.

    Views that are in its way, other people's too, are dropped and recreated as they were, with owners,
    grants and comments; then the sources are checked. All of it is one transaction: people go on reading,
    and if anything goes wrong, everything is as it was.

    Around a COMMAND, which migrates in sessions of its own, the views are gone while it runs.
    """
    if (path is None) == (not command_line):
        raise click.UsageError("Either --sql FILE or -- COMMAND, and not both.")
    if command_line and (dry_run or only_plan):
        raise click.UsageError("--dry-run and --plan are for --sql.")
    statements = _read(path) if path else ""
    sources = read_sources(project_root(), target, _variables(variables))
    with connect(target, autocommit=True) as conn, _no_job(conn, target, schema):
        migration = Migration(conn, sources, internal_schema(schema), statements, lock_seconds)
        if only_plan:
            click.echo(migration.plan(), nl=False)
        elif path:
            _say(migration.run(dry_run=dry_run), our_schemas(schema), dry_run)
        else:
            _around(migration, command_line)


def _read(path: Path) -> str:
    try:
        statements = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TimebackError(f"{path} is not text in UTF-8.") from error
    if not statements.strip():
        raise TimebackError(f"{path} is empty.")
    return statements


def _variables(text: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise click.UsageError(f"--vars is not YAML: {text}") from error
    if not isinstance(found, dict):
        raise click.UsageError(f"--vars is not a mapping: {text}")
    return found


@contextmanager
def _no_job(conn: psycopg.Connection, target: str, schema: str) -> Iterator[None]:
    """Keep scheduled jobs out meanwhile.

    Where no job has run yet, an administrator makes no lock that the role which deploys could not take.
    """
    internal = internal_schema(schema)
    is_there, is_own = first_row(
        conn.execute(
            """select
                to_regclass(%s) is not null,
                exists (
                    select from pg_catalog.pg_namespace
                    where nspname = %s and pg_get_userbyid(nspowner) = current_user
                )""",
            [sql.Identifier(internal, LOCK_TABLE).as_string(conn), internal],
        )
    )
    if not is_there and not is_own:
        yield
        return
    lock = JobLock(lambda: connection_string(target), schema, lambda: None, is_of_anybody=True)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _say(done: Done, ours: set[str], dry_run: bool) -> None:
    if done.dropped:
        others = [one.label for one in done.dropped if one.schema not in ours]
        click.echo(
            f"Views that were in the way, and were dropped and recreated as they were: {len(done.dropped)}"
            + (f"; not ours: {', '.join(others)}" if others else "")
            + "."
        )
    else:
        click.echo("Nothing was in the way.")
    for note in done.notes:
        click.echo(note)
    tries = f", at the {done.attempts}. try for a lock" if done.attempts > 1 else ""
    if dry_run:
        click.echo(f"A dry run of {done.seconds:.1f} s{tries}: all of it was undone.")
    else:
        click.echo(f"Done in {done.seconds:.1f} s{tries}; the sources are what the catalog reads.")


def _around(migration: Migration, command_line: Sequence[str]) -> None:
    kept = state_dir() / f"recreate_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.sql"

    def keep(text: str) -> None:
        kept.write_text(f"begin;\n{text}commit;\n", encoding="utf-8")

    dropped = migration.drop_dependents(keep)
    click.echo(f"Views dropped until {command_line[0]} is done: {len(dropped)}; {kept} holds them.")
    try:
        code = subprocess.run(command_line, check=False).returncode
    except OSError as error:
        click.echo(f"{command_line[0]} cannot be run: {error.strerror}.", err=True)
        code = 127
    problems = _recreate(migration, dropped, kept)
    if problems:
        click.echo("The views are back, but the sources are not what the catalog reads:", err=True)
        for problem in problems:
            click.echo(f"  {problem}", err=True)
    if code:
        click.echo(f"{command_line[0]} ended with {code}; the views are back.", err=True)
    if code or problems:
        sys.exit(code or 1)
    click.echo(f"Views that are back as they were: {len(dropped)}; the sources are what the catalog reads.")


def _recreate(migration: Migration, dropped: Sequence[Dependent], kept: Path) -> list[str]:
    try:
        problems = migration.recreate(dropped)
    except TimebackError as error:
        reason = str(error).removesuffix(" Everything is as it was.")
        raise TimebackError(
            f"{reason} The views are still missing. Undo or fix what the command did, then: psql -f {kept}"
        ) from error
    kept.unlink()
    return problems
