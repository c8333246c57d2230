"""Rows at the size of a platform, for the benchmark and for tests that nothing hangs."""

import re
from pathlib import Path

import click
import psycopg

HERE = Path(__file__).resolve().parent
SCHEMA = "operational"


def load_scale_data(connection: psycopg.Connection, sizes: dict[str, int], *, quiet: bool = False) -> None:
    """Fill an empty operational schema, first in search_path, with scale_data.sql; prints each step.

    Args:
        connection: in autocommit.
        sizes: schools, students, attempts_per_student, sessions_per_student.
        quiet: print nothing.
    """
    text = re.sub(
        f":({'|'.join(sizes)})\\b", lambda name: str(sizes[name[1]]), code_of(HERE / "scale_data.sql")
    )
    for statement in filter(None, (part.strip() for part in text.split(";\n"))):
        table = re.match(r"insert into (\w+)", statement)
        if not quiet:
            click.echo(f"  {table[1] if table else statement} ...", nl=False)
        rows = connection.execute(statement).rowcount
        if not quiet:
            click.echo(f" {rows:,} rows" if table else " done")


def code_of(path: Path) -> str:
    """The text of an SQL file without its comment lines."""
    return (
        "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("--")) + "\n"
    )
