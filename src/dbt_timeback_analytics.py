"""dbt plugin: what a dbt command on this project needs that dbt_project.yml cannot say.

dbt imports this module because its name starts with dbt_. For another project it does nothing.
"""

import gc
import hashlib
import os
import pprint
from pathlib import Path
from typing import Any

import click
from dbt.flags import get_flags
from dbt.plugins.manager import dbtPlugin
from dbt_common.events.event_manager_client import get_event_manager
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.helper_types import WarnErrorOptionsV2

from timeback_analytics.dbt_sessions import settle_sessions_of_dbt
from timeback_analytics.errors import TimebackError
from timeback_analytics.server import server_of

_COMMANDS_WITHOUT_DATABASE = {"clean", "deps", "init", "list", "ls", "parse", "serve"}
# these have a profile that may not be asked for its target
_COMMANDS_WITHOUT_PROFILE = {"clean", "deps", "init"}
SILENT_WARNINGS = (
    # Postgres has no constraints on views; ours state the contract, which the not_null tests check.
    "UnsupportedConstraintMaterialization",
    # Our own tests of a deprecated dataset are not consumers of it.
    "UpcomingReferenceDeprecation",
    # dbt-postgres has no name for uuid, arrays of it and citext.
    "TypeCodeNotFound",
)
"""dbt's warnings that say nothing about this project. As warn_error_options in dbt_project.yml they would
make --warn-error a usage error."""
_PARSED = "partial_parse.msgpack"
_KEPT_PARSED = 6


class TimebackProject(dbtPlugin):
    """Silences, sessions, a parsed project for each target and its variables, and the embedded server."""

    def initialize(self) -> None:
        """Called by dbt once the profile is loaded, before it reads the project or connects.

        Raises:
            DbtRuntimeError: the embedded server is another one than the profile's, or does not start.
        """
        if self.project_name != "timeback_analytics":
            return
        # dbt makes a great many objects that stay until it ends. To look through them for cycles as often as
        # Python does by itself is an eighth of what a run costs in which nothing has changed.
        gc.set_threshold(*map(max, gc.get_threshold(), (50_000, 20, 20)))
        settle_sessions_of_dbt()
        _silence()
        command = get_flags().WHICH
        context = click.get_current_context(silent=True)
        profile = (context.obj or {}).get("profile") if context else None
        if profile is None or command in _COMMANDS_WITHOUT_PROFILE:
            return
        _keep_parsed(profile)
        if (
            profile.target_name == "embedded"
            and command not in _COMMANDS_WITHOUT_DATABASE
            and not os.environ.get("TIMEBACK_EMBEDDED_HOST")
        ):
            _start_server(profile.credentials)


def _silence() -> None:
    """Adds our silences to what --warn-error or --warn-error-options ask for."""
    flags = get_flags()
    asked = getattr(flags, "WARN_ERROR_OPTIONS", None) or WarnErrorOptionsV2()
    named = {*(asked.error if isinstance(asked.error, list) else ()), *asked.warn}
    manager = get_event_manager()
    manager.warn_error = False
    manager.warn_error_options = WarnErrorOptionsV2(
        error="all" if getattr(flags, "WARN_ERROR", False) else asked.error,
        warn=list(asked.warn),
        silence=[*asked.silence, *(name for name in SILENT_WARNINGS if name not in named)],
        valid_error_names={*named, *asked.silence, *SILENT_WARNINGS},
    )


def _keep_parsed(profile: Any) -> None:
    """Lets dbt find what it parsed the last time for the same target, connection and variables.

    dbt keeps one, and reads the whole project again when any of these is not the same. Whether what it
    finds still holds, it checks itself, so that nothing worse than reading again can come of this.
    """
    flags = get_flags()
    if not flags.PARTIAL_PARSE or flags.PARTIAL_PARSE_FILE_PATH:
        return
    # the default target, and the same one by its name; dbt reads either attribute
    for name in ("TARGET", "target"):
        object.__setattr__(flags, name, profile.target_name)
    what = [
        profile.profile_name,
        profile.target_name,
        flags.VARS,
        sorted(profile.credentials.connection_info()),
    ]
    key = hashlib.sha256(pprint.pformat(what).encode()).hexdigest()[:16]
    target = Path(flags.PROJECT_DIR) / (getattr(flags, "TARGET_PATH", None) or "target")
    kept, current = target / "parsed", target / _PARSED
    try:
        kept.mkdir(parents=True, exist_ok=True)
        mark = kept / "current"
        before = mark.read_text(encoding="utf-8") if mark.exists() else ""
        if before == key:
            return
        if before and current.exists():
            current.replace(kept / f"{before}.msgpack")
        if (kept / f"{key}.msgpack").exists():
            (kept / f"{key}.msgpack").replace(current)
        mark.write_text(key, encoding="utf-8")
        oldest_first = sorted(kept.glob("*.msgpack"), key=lambda path: path.stat().st_mtime)
        for path in oldest_first[:-_KEPT_PARSED]:
            path.unlink()
    except OSError:
        # another dbt was at it, or the folder may not be written: then dbt reads the project, or says so
        return


def _start_server(credentials: Any) -> None:
    """Starts the embedded server and makes its database."""
    server = server_of(Path(get_flags().PROJECT_DIR))
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


plugins = [TimebackProject]
