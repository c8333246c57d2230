"""The database that is measured: scale data, the catalog in both modes, other forms of its answers."""

import os
import subprocess
import sys
from pathlib import Path

import click
import psycopg
from scale_data import SCHEMA, code_of, load_scale_data

from stored_mode import StoredRefreshes
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.project import project_root, state_dir
from timeback_analytics.server import EmbeddedServer

HERE = Path(__file__).resolve().parent
STORED_SCHEMA = "stored"
"""The published schema of the catalog in materialized mode."""


def deploy(server: EmbeddedServer, database: str, schema: str = "analytics", *arguments: str) -> Path:
    """`dbt run` of this project into the benchmark's database.

    Args:
        server: the benchmark's.
        database: where to.
        schema: the published schema.
        arguments: further ones of dbt's.

    Returns:
        dbt's target folder.

    Raises:
        click.ClickException: dbt fails; its output is shown.
    """
    root = project_root()
    folder = state_dir() / "benchmark-dbt"
    folder.mkdir(exist_ok=True)
    target = folder / f"target-{schema}"
    (folder / "profiles.yml").write_text((root / "profiles.yml.example").read_text())
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "TIMEBACK_"))
    }
    result = subprocess.run(
        [
            Path(sys.executable).with_name("dbt"),
            "run",
            "--project-dir",
            root,
            "--target-path",
            target,
            "--log-path",
            folder / "logs",
            *arguments,
        ],
        env={
            **environment,
            "DBT_PROFILES_DIR": str(folder),
            "TIMEBACK_EMBEDDED_HOST": str(server.socket_dir),
            "TIMEBACK_EMBEDDED_DATABASE": database,
            "TIMEBACK_SCHEMA": schema,
        },
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise click.ClickException(f"dbt run failed:\n{result.stdout}")
    return target


def prepare(
    server: EmbeddedServer, sizes: dict[str, int], *, stored: bool = True
) -> tuple[str, StoredRefreshes | None]:
    """A database with scale data of these sizes, the catalog and the other forms; what exists is kept.

    With `stored`, the catalog is there a second time, in materialized mode, as schema `stored`.

    Returns:
        Its name, and with `stored` how that one is refreshed.
    """
    database = "scale_" + "_".join(str(size) for size in sizes.values())
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        exists = connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone()
        if not exists:
            # under another name until it is whole, so that an interrupted load is never measured
            connection.execute("drop database if exists loading with (force)")
            connection.execute("create database loading")
            click.echo(
                f"Loading scale data ({', '.join(f'{size:,} {name}' for name, size in sizes.items())}):"
            )
            with psycopg.connect(server.dsn("loading"), autocommit=True) as loading:
                with loading.transaction():
                    create_operational_schema(loading, SCHEMA)
                loading.execute(f"set search_path = {SCHEMA}")
                load_scale_data(loading, sizes)
                loading.execute("vacuum analyze")
            connection.execute(f"alter database loading rename to {database}")
    click.echo("Deploying the catalog ...")
    deploy(server, database)
    refreshes = None
    if stored:
        click.echo(
            "Deploying it beside, in materialized mode; the first time this works out every attempt ..."
        )
        target = deploy(server, database, STORED_SCHEMA, "--vars", "{stored_facts: true}")
        refreshes = StoredRefreshes.of(target, database, STORED_SCHEMA)
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        connection.execute(f"set search_path = {SCHEMA}")
        connection.execute(code_of(HERE / "other_forms.sql"))
    return database, refreshes
