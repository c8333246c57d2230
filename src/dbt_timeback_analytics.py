"""dbt plugin: a dbt command on the target `embedded` finds this checkout's server running.

dbt imports this module because its name starts with dbt_. It does nothing for another project, for
another target, for a command that needs no database, or where TIMEBACK_EMBEDDED_HOST names a server
that somebody else looks after.
"""

import os
from pathlib import Path

import click
from dbt.flags import get_flags
from dbt.plugins.manager import dbtPlugin
from dbt_common.exceptions import DbtRuntimeError

from timeback_analytics.errors import TimebackError
from timeback_analytics.server import server_of

_COMMANDS_WITHOUT_DATABASE = {"clean", "deps", "init", "list", "ls", "parse", "serve"}


class EmbeddedServerStart(dbtPlugin):
    """Starts the embedded server and makes its database before dbt connects."""

    def initialize(self) -> None:
        """Called by dbt once the profile is loaded, and before the first connection."""
        context = click.get_current_context(silent=True)
        profile = (context.obj or {}).get("profile") if context else None
        if (
            self.project_name != "timeback_analytics"
            or profile is None
            or profile.target_name != "embedded"
            or get_flags().WHICH in _COMMANDS_WITHOUT_DATABASE
            or os.environ.get("TIMEBACK_EMBEDDED_HOST")
        ):
            return
        server = server_of(Path(get_flags().PROJECT_DIR))
        credentials = profile.credentials
        if credentials.host != str(server.socket_dir):
            raise DbtRuntimeError(
                f"profiles.yml looks for the embedded server in {credentials.host}, and this checkout's is "
                f"in {server.socket_dir}. `timeback setup` writes that in. For another server set "
                "TIMEBACK_EMBEDDED_HOST, or use target `server`."
            )
        try:
            server.start()
            server.ensure_database(credentials.database)
        except TimebackError as error:
            raise DbtRuntimeError(str(error)) from error


plugins = [EmbeddedServerStart]
