"""timeback shards: stored facts on other servers."""

from __future__ import annotations

import os
from pathlib import Path

import click

from timeback_analytics.commands._groups import GroupWithWholeSummaries
from timeback_analytics.commands._options import schema_option
from timeback_analytics.connection import connect, connection_string
from timeback_analytics.errors import TimebackError

PASSWORD_VARIABLE = "TIMEBACK_SHARD_PASSWORD"

# the embedded server has no postgres_fdw
_target_option = click.option(
    "--target",
    type=click.Choice(["server"]),
    default="server",
    show_default=True,
    help="The catalog's database: that of the server that PGHOST, PGDATABASE, ... name.",
)


@click.group(cls=GroupWithWholeSummaries)
def command() -> None:
    """Stored facts on other PostgreSQL servers, by hash of the student: add, show, move, check."""


@command.command()
@click.argument("name")
@_target_option
@schema_option
@click.option("--host", required=True, help="The node's host, or the folder of its socket.")
@click.option("--port", type=click.IntRange(1, 65535), default=5432, show_default=True)
@click.option("--dbname", required=True, help="The database there; it holds nothing else.")
@click.option("--user", required=True, help="The role there that will own the partitions; no superuser.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"A file with the role's password on its first line.  [default: {PASSWORD_VARIABLE}]",
)
@click.option(
    "--sslmode",
    type=click.Choice(["verify-full", "verify-ca", "require"]),
    default="verify-full",
    show_default=True,
    help="How the node's certificate is checked; not asked on this machine or through a socket.",
)
@click.option("--sslrootcert", help="The certificates that are trusted: a file on the catalog's server.")
def add(
    name: str,
    target: str,
    schema: str,
    host: str,
    port: int,
    dbname: str,
    user: str,
    password_file: Path | None,
    sslmode: str,
    sslrootcert: str | None,
) -> None:
    """Make a node known, by a name of yours, and ready to take partitions. It gets no rows yet."""
    from timeback_analytics.shards.adding import add_node
    from timeback_analytics.shards.front import LOCAL, Front
    from timeback_analytics.shards.node import Node

    if name == LOCAL:
        raise click.UsageError(f"{LOCAL} is the catalog's own server. Name the node otherwise.")
    node = Node(name, {"host": host, "port": str(port), "dbname": dbname, "user": user})
    node.options["password"] = _password(password_file)
    if node.is_on_network:
        node.options["sslmode"] = sslmode
        if sslrootcert:
            node.options["sslrootcert"] = sslrootcert
    with connect(target) as conn:
        to_do = add_node(Front(conn, schema), node)
    click.echo(
        f"Server {name} is known. Name it in the dbt variable stored_servers, and move partitions to it: "
        f"timeback shards move NUMBER {name}"
    )
    for sentence in to_do:
        click.secho(sentence, fg="yellow")


@command.command()
@_target_option
@schema_option
def show(target: str, schema: str) -> None:
    """Say where each partition is, with its rows and its size, and which servers answer.

    Rows are as many as statistics say. The exit code is 1 where a server does not answer.
    """
    from timeback_analytics.shards.front import Front
    from timeback_analytics.shards.showing import look

    with connect(target, autocommit=True) as conn:
        servers, places = look(Front(conn, schema))
    for name, problem in servers.items():
        click.echo(f"{name}: {problem or 'answers'}")
    for partition in places:
        rows = "?" if partition.rows is None else f"{partition.rows:,}"
        size = "?" if partition.size is None else f"{partition.size / 1e6:,.1f}"
        click.echo(
            f"{partition.table:<34} {partition.number:>4}  {partition.server:<16} {rows:>14} rows "
            f"{size:>10} MB"
        )
    if not places:
        click.echo(
            "No stored table is partitioned. A run with stored_facts and stored_servers makes them so."
        )
    if any(servers.values()):
        click.get_current_context().exit(1)


@command.command()
@click.argument("number", type=click.IntRange(min=0))
@click.argument("server")
@_target_option
@schema_option
@click.option("--table", help="Only of this stored table.  [default: of all of them]")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="For how long to try again when readers hold the tables.",
)
def move(number: int, server: str, target: str, schema: str, table: str | None, patience: float) -> None:
    """Move partition NUMBER of the stored tables to SERVER, or to `local`, while everybody reads.

    No refresh and no job runs meanwhile. An interrupted move leaves the partition where it was.
    """
    from timeback_analytics.job.lock import JobLock
    from timeback_analytics.shards.front import LOCAL, Front
    from timeback_analytics.shards.moving import move_partition

    lock = JobLock(lambda: connection_string(target), schema, on_loss=lambda: None)
    with connect(target, autocommit=True) as conn:
        front = Front(conn, schema)
        front.check_is_owner()
        if server != LOCAL:
            front.node(server)
        found = [
            partition
            for partition in front.partitions()
            if partition.number == number and table in (None, partition.table)
        ]
        if not found:
            raise TimebackError(
                f"There is no partition {number}{f' of {table}' if table else ''}. `timeback shards "
                "show` lists them."
            )
        lock.acquire()
        try:
            for partition in found:
                if partition.server == server:
                    click.echo(f"{partition.name} is on {server} already.")
                    continue
                rows = move_partition(front, partition, server, patience)
                click.echo(f"{partition.name}: {rows:,} rows moved from {partition.server} to {server}.")
        finally:
            lock.release()


@command.command()
@_target_option
@schema_option
def check(target: str, schema: str) -> None:
    """Check who has which rights, here and on the nodes, and that connections are encrypted.

    Nothing is changed. The exit code is 1 where something is found.
    """
    from timeback_analytics.shards.front import Front
    from timeback_analytics.shards.rights import find_open_doors

    with connect(target, autocommit=True) as conn:
        findings = find_open_doors(Front(conn, schema))
    for where, what in findings:
        click.echo(f"{where}: {what}")
    click.echo(f"{len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}.")
    if findings:
        click.get_current_context().exit(1)


def _password(file: Path | None) -> str:
    """The role's password on a node, which nobody types into a command line."""
    if file is not None:
        lines = file.read_text(encoding="utf-8").splitlines()
        if not lines or not lines[0]:
            raise TimebackError(f"{file} has no password on its first line.")
        return lines[0]
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    raise TimebackError(
        f"There is no password. Put it into {PASSWORD_VARIABLE}, or into a file: --password-file"
    )
