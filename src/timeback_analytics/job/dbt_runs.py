"""dbt, run in this very process.

A dbt of its own would outlive a job that is killed, and go on deploying when the job's lock is gone.
Each job has a target folder of its own, so that nothing half-written by an earlier one is ever read. What dbt
knows of the project's files is handed on from the last job that read them to the end.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timeback_analytics.errors import TimebackError

_PARSED = "partial_parse.msgpack"
# dbt's events for a node that is done, and what each calls the number of nodes
_TOTALS = {
    "LogModelResult": "total",
    "LogSeedResult": "total",
    "LogTestResult": "num_models",
    "LogFreshnessResult": "total",
}
BROKEN = ("error", "fail", "runtime error")
"""How dbt calls what failed."""

# a documented Decimal is numeric, of whatever precision
_NOISE = "Detected columns with numeric type and unspecified precision/scale"
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
# where in dbt or in our macros: a file of the target folder, which goes when the job ends; who called whom
_WHERE = re.compile(
    r"^Encountered an error while running operation: Compilation Error in macro [^\n]*\n\s*"
    r"|\n\s*compiled code at [^\n]*"
    r"|\n\s*> (in|called by) macro [^\n]*"
    r"|\n\s*CONTEXT:  PL/pgSQL function inline_code_block line \d+ at RAISE"
)


@dataclass(frozen=True)
class Result:
    """What came of a model, test, seed, source or hook."""

    name: str
    kind: str
    """model, test, seed, source or operation."""
    status: str
    """success, pass, warn, error, fail, skipped, runtime error: dbt's own words."""
    message: str
    seconds: float
    failures: int | None = None
    materialized: str | None = None
    sql: str = ""
    """Of a test: the query for the rows that should not be."""
    scope: str = "*"
    """Of a test: the scope that it was run with."""
    about: str = ""
    """Of a test: what it is for, where its author says so, and the file it is in."""

    @property
    def failed(self) -> bool:
        """Whether it failed, rather than warned or was skipped."""
        return self.status in BROKEN

    @property
    def is_stored(self) -> bool:
        """Whether it is a model that holds rows of its own."""
        return self.materialized in ("table", "incremental", "materialized_view")

    @property
    def outcome(self) -> str:
        """What became of a model: our view materialization says it, a stored model was refreshed."""
        if self.status != "success":
            return self.status
        return "refreshed" if self.is_stored else self.message


@dataclass(frozen=True)
class Ran:
    """What came of a dbt command."""

    success: bool
    results: Sequence[Result]
    notes: Sequence[str] = ()
    """What the project's macros said."""
    warnings: Sequence[str] = ()
    """What they, or dbt, warned of."""
    error: str = ""
    """Why dbt itself stopped, when no result tells."""

    @property
    def messages(self) -> list[str]:
        """Every error, dbt's own first."""
        return [self.error] * bool(self.error) + [
            one.message for one in self.results if one.failed and one.message
        ]


@dataclass
class DbtRuns:
    """Runs dbt commands on one project and target, which is parsed once.

    Attributes:
        project: the folder of dbt_project.yml.
        profiles: the folder of profiles.yml.
        target: dbt's target.
        folder: where dbt's target folder and log go.
        parsed: where dbt's own notes on the project's files are kept from one job to the next.
        variables: dbt's --vars, as YAML.
        threads: dbt's threads; None for the profile's.
        on_progress: called with (done, total) as nodes finish.
    """

    project: Path
    profiles: Path
    target: str
    folder: Path
    parsed: Path
    variables: str
    threads: int | None
    on_progress: Callable[[int, int], None]
    _manifest: Any = None
    _notes: list[str] = field(default_factory=list)
    _warnings: list[str] = field(default_factory=list)
    _errors: list[str] = field(default_factory=list)

    @property
    def target_path(self) -> Path:
        """dbt's target folder."""
        return self.folder / "target"

    def parse(self) -> Ran:
        """Read the project; every later command uses what was read."""
        self.target_path.mkdir(parents=True, exist_ok=True)
        known = self.target_path / _PARSED
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(self.parsed, known)
        done = self._invoke("parse")
        if done.success and known.exists():
            # whole or not at all
            shutil.copyfile(known, self.parsed.with_suffix(".new"))
            self.parsed.with_suffix(".new").replace(self.parsed)
        return done

    def invoke(self, *arguments: str) -> Ran:
        """Run a dbt command."""
        return self._invoke(*arguments)

    def _invoke(self, *arguments: str) -> Ran:
        from dbt.cli.main import dbtRunner  # takes seconds, which `timeback --help` need not

        self._notes, self._warnings, self._errors = [], [], []
        # the manifest is all that dbt need keep between commands
        runner = dbtRunner(manifest=self._manifest, callbacks=[self._listen])
        done = runner.invoke(
            [
                *arguments,
                *("--project-dir", str(self.project), "--profiles-dir", str(self.profiles)),
                *("--target", self.target, "--target-path", str(self.target_path)),
                *("--log-path", str(self.folder), "--log-level", "none", "--log-level-file", "debug"),
                *("--no-use-colors", "--no-use-colors-file", "--vars", self.variables),
                *(("--threads", str(self.threads)) if self.threads and arguments[0] != "parse" else ()),
            ]
        )
        if arguments[0] == "parse" and done.success:
            self._manifest = done.result
        results = [_result(one) for one in getattr(done.result, "results", None) or ()]
        error = "" if done.exception is None else _text(done.exception)
        if not done.success and not error and not any(one.failed and one.message for one in results):
            # an operation tells why it failed in an event alone
            error = "\n".join(dict.fromkeys(self._errors))
        return Ran(
            success=done.success,
            results=results,
            notes=list(dict.fromkeys(self._notes)),
            warnings=list(dict.fromkeys(self._warnings)),
            error=error,
        )

    def _listen(self, event: Any) -> None:
        if event.info.name == "JinjaLogInfo":
            self._notes.append(_plain(event.info.msg))
        elif event.info.name == "JinjaLogWarning":
            warning = _plain(event.info.msg)
            if not warning.startswith(_NOISE):
                self._warnings.append(warning)
        elif event.info.level == "error":
            self._errors.append(_plain(event.info.msg))
        if event.info.name in _TOTALS:
            self.on_progress(event.data.index, getattr(event.data, _TOTALS[event.info.name]))


def profiles_folder(project: Path) -> Path:
    """The folder of profiles.yml: DBT_PROFILES_DIR, or the project's.

    Raises:
        TimebackError: there is none in it.
    """
    folder = Path(os.environ.get("DBT_PROFILES_DIR") or project)
    if not (folder / "profiles.yml").is_file():
        raise TimebackError(f"There is no profiles.yml in {folder}. `timeback setup` makes one.")
    return folder


def _result(one: Any) -> Result:
    node = getattr(one, "node", None)
    config = getattr(node, "config", None)
    is_test = getattr(node, "resource_type", None) == "test"
    return Result(
        name=getattr(node, "name", None) or str(getattr(one, "unique_id", "")),
        kind=str(getattr(node, "resource_type", "operation")),
        status=str(one.status),
        message=_plain(one.message or ""),
        seconds=round(one.execution_time, 3),
        failures=getattr(one, "failures", None),
        materialized=getattr(config, "materialized", None),
        sql=(getattr(node, "compiled_code", None) or "").strip() if is_test else "",
        scope=(getattr(config, "meta", None) or {}).get("scope", "*") if is_test else "*",
        about=" ".join(f"{node.description} {node.original_file_path}".split()) if node and is_test else "",
    )


def _text(error: BaseException) -> str:
    return _plain(str(error)) or type(error).__name__


def _plain(text: str) -> str:
    return _WHERE.sub("", _COLORS.sub("", text)).strip()
