"""What the catalog reads: the operational tables, and the query that holds them to it, as dbt knows both."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from timeback_analytics.errors import TimebackError
from timeback_analytics.job.dbt_runs import profiles_folder

_OURS = "selectattr('package_name', 'equalto', project_name)"
_CHECK = f"{{{{ source_problems(graph.sources.values() | {_OURS} | list) }}}}"


@dataclass(frozen=True)
class Sources:
    """The operational tables of a target.

    Attributes:
        tables: {the table as the catalog calls it: (schema, name) as the database does}.
        check: a query with a row (place, problem) for each thing that is not what the catalog reads.
    """

    tables: Mapping[str, tuple[str, str]]
    check: str


def read_sources(project: Path, target: str, variables: Mapping[str, Any]) -> Sources:
    """Ask dbt, which takes the time that it takes to read the project.

    Raises:
        TimebackError: dbt cannot read the project, or connect.
    """
    from dbt.cli.main import dbtRunner  # takes seconds, which `timeback --help` need not

    said: list[str] = []

    def listen(event: Any) -> None:
        if event.info.level == "error":
            said.append(event.info.msg)

    with tempfile.TemporaryDirectory() as logs:
        common = [
            *("--project-dir", str(project), "--profiles-dir", str(profiles_folder(project))),
            *("--target", target, "--vars", yaml.safe_dump(dict(variables), default_flow_style=True)),
            *("--log-path", logs, "--log-level", "none"),
        ]
        parsed = dbtRunner(callbacks=[listen]).invoke(["parse", *common])
        if not parsed.success:
            raise TimebackError(f"dbt cannot read the project: {parsed.exception or ' '.join(said)}")
        # dbt gives for each command what it gives for any
        manifest: Any = parsed.result
        with contextlib.redirect_stdout(io.StringIO()):
            compiled = dbtRunner(manifest=manifest, callbacks=[listen]).invoke(
                ["compile", "--inline", _CHECK, *common]
            )
        if not compiled.success:
            raise TimebackError(f"dbt cannot look at the sources: {compiled.exception or ' '.join(said)}")
    run: Any = compiled.result
    (check,) = [one.node.compiled_code for one in run.results]
    tables = {node.name: (node.schema, node.identifier) for node in manifest.sources.values()}
    return Sources(tables, check)
