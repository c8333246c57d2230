"""timeback server: the embedded PostgreSQL server of this checkout."""

import os

import click

from timeback_analytics.commands._groups import GroupWithWholeSummaries
from timeback_analytics.server import DATABASE, SOCKET_PORT, SUPERUSER, EmbeddedServer, project_server

_role_option = click.option(
    "--role", "--user", "role", default=SUPERUSER, show_default=True, help="Connect as this role."
)
_database_option = click.option(
    "--database", default=DATABASE, show_default=True, help="Connect to this database."
)


@click.group(cls=GroupWithWholeSummaries)
def command() -> None:
    """The embedded PostgreSQL server of this checkout: start, stop, status, url, psql."""


@command.command()
@click.option(
    "--tcp",
    "tcp_port",
    type=click.IntRange(1, 65535),
    is_flag=False,
    flag_value=SOCKET_PORT,
    metavar="[PORT]",
    help=f"From now on listen on 127.0.0.1 too (port {SOCKET_PORT} unless you say another), with a password.",
)
@click.option("--no-tcp", is_flag=True, help="Leave off listening on TCP.")
def start(tcp_port: int | None, no_tcp: bool) -> None:
    """Start the server and make its database; nothing happens when it runs."""
    if tcp_port and no_tcp:
        raise click.UsageError("--tcp and --no-tcp exclude each other.")
    server = project_server()
    if (tcp_port and tcp_port != server.tcp_port) or (no_tcp and server.tcp_port):
        # the port is only read when a server starts
        server.stop()
        server.listen_on_tcp(tcp_port)
    server.start()
    server.ensure_database()
    _report(server)


@command.command()
def stop() -> None:
    """Stop the server; open connections are closed."""
    server = project_server()
    was_running = server.is_running()
    server.stop()
    click.echo("Stopped." if was_running else "It was not running.")


@command.command()
def status() -> None:
    """Say whether the server runs, and where. Exits with 3 when it does not."""
    server = project_server()
    if not server.is_running():
        click.echo(f"Not running. Data: {server.data_dir}")
        click.get_current_context().exit(3)
    _report(server)


@command.command()
@_role_option
@_database_option
@click.option("--tcp", is_flag=True, help="The one for TCP, with the password, and not the socket's.")
def url(role: str, database: str, tcp: bool) -> None:
    """Print the connection string, starting the server when it does not run."""
    server = _started()
    click.echo(server.tcp_dsn(database, role) if tcp else server.dsn(database, role))


@command.command(context_settings={"ignore_unknown_options": True})
@_role_option
@_database_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(role: str, database: str, arguments: tuple[str, ...]) -> None:
    """Open psql; what follows -- goes to it, as in: timeback server psql -- -c 'select 1'"""
    command_line = psql_command(_started(), database, role, arguments)
    os.execv(command_line[0], command_line)


def psql_command(server: EmbeddedServer, database: str, role: str, arguments: tuple[str, ...]) -> list[str]:
    """The command line of psql on a database of the server.

    Without a pager: one that is open takes the next lines that somebody pastes for its own commands.
    """
    dsn = server.dsn(database, role)
    return [str(server.bin_dir / "psql"), "--pset", "pager=off", "--dbname", dsn, *arguments]


def _started() -> EmbeddedServer:
    server = project_server()
    server.start()
    server.ensure_database()
    return server


def _report(server: EmbeddedServer) -> None:
    click.echo(f"Running. Data: {server.data_dir}")
    click.echo(server.dsn())
    if server.tcp_port:
        click.echo(f"127.0.0.1:{server.tcp_port}, password: timeback server url --tcp")
