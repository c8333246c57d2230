"""dbt, started in this very process: by the fixture `dbt`, by small projects, by the soak.

Starting a dbt takes seconds, and reading a project takes more. So the process is started once, and what dbt
has read of a project is handed on to the next command that reads the same: with the same dbt_project.yml,
variables and target, in whichever process of the test run. Whether each file still is what it was, dbt sees
for itself. That it may be another schema in another database of another server is ours to see to, see
`_readdressed`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
import yaml
from dbt.adapters.factory import cleanup_connections
from dbt.artifacts.resources import FileHash
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest, ManifestStateCheck
from dbt.parser.manifest import ManifestLoader
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.events.base_types import EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.tests import enable_test_caching

_READ_ALIKE = ("host", "port", "user", "database", "schema")
"""What of the connection makes no difference to what dbt reads; it would read it all again for another."""
_PLACE = "TESTS_PARSED_PROJECTS"
if _PLACE not in os.environ:
    # the processes that xdist starts come later, inherit the name, and leave the folder to this one
    _parsed = tempfile.TemporaryDirectory(prefix="tb-parsed-")
    os.environ[_PLACE] = _parsed.name
_parsed_projects = Path(os.environ[_PLACE])
# dbt looks through the stack for who named each of its flags, fifty times a command, and in a process of
# xdist's through every module for each frame: most of what a command costs there
BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt")
# dbt's own, for its tests: a macro's text is parsed once a process, whichever project it comes with
enable_test_caching()


def _compiled_once(compile_template: Callable[..., Any]) -> Callable[..., Any]:
    """Jinja's compiler, which compiles each text once a process: dbt does so for every command."""
    compiled: dict[tuple[Any, ...], Any] = {}

    def compile_or_recall(environment: jinja2.Environment, source: Any, *more: Any, **named: Any) -> Any:
        if not isinstance(source, str):
            return compile_template(environment, source, *more, **named)
        what = (type(environment), source, more, *sorted(named.items()))
        if what not in compiled:
            compiled[what] = compile_template(environment, source, *more, **named)
        return compiled[what]

    return compile_or_recall


jinja2.Environment.compile = _compiled_once(jinja2.Environment.compile)


def _unless_debug(fire: Callable[..., None]) -> Callable[..., None]:
    """dbt's way of telling what happens, without what goes into no log and to no listener of ours."""

    def fire_unless_debug(manager: EventManager, event: Any, level: Any = None, **more: Any) -> None:
        if manager.loggers or (level or event.level_tag()) != EventLevel.DEBUG:
            fire(manager, event, level, **more)

    return fire_unless_debug


EventManager.fire_event = _unless_debug(EventManager.fire_event)


@dataclass(frozen=True)
class Finished:
    """What came of a dbt command.

    Attributes:
        returncode: as the command line would end: 1 where something failed, 2 where dbt itself stopped.
        stdout: what the command line would print, without the times.
        result: what dbt gives to Python.
    """

    returncode: int
    stdout: str
    result: dbtRunnerResult


def run_dbt(
    *arguments: str,
    project: Path,
    profiles: Path,
    target_path: Path,
    env: Mapping[str, str] | None = None,
    manifest: Manifest | None = None,
    on_event: Callable[[Any], None] = lambda event: None,
) -> Finished:
    """Run a dbt command.

    Args:
        arguments: dbt's own, for example "run", "--select", "students".
        project: the folder of dbt_project.yml.
        profiles: the folder of profiles.yml.
        target_path: dbt's target folder.
        env: all environment variables; those of this process by default.
        manifest: what dbt is to take for the project, instead of reading it.
        on_event: called with each of dbt's events.
    """
    printed: list[str] = []

    def listen(event: Any) -> None:
        if event.info.level in ("info", "warn", "error"):
            printed.append(event.info.msg)
        on_event(event)

    if "--target" not in arguments:
        # by its name, as the project's dbt plugin notes it when it keeps what was read
        arguments = (*arguments, "--target", "embedded")
    read = target_path / "partial_parse.msgpack"
    read_before = _version(read)
    with environment(env):
        parsed = parsed_file(project, *arguments)
        line = [
            *("--no-use-colors", "--log-level", "none", "--log-level-file", "none"),
            *arguments,
            *("--project-dir", str(project), "--profiles-dir", str(profiles)),
            *("--target-path", str(target_path)),
            *(("--partial-parse-file-path", str(parsed)) if parsed.is_file() else ()),
        ]
        try:
            done = dbtRunner(manifest=manifest, callbacks=[listen]).invoke(line)
        finally:
            cleanup_connections()
    # dbt writes nothing where nothing has changed; what lies there then may be of other variables
    if manifest is None and _version(read) not in (None, read_before):
        # whole or not at all: another process may be reading it
        whole = parsed.with_suffix(f".{os.getpid()}")
        shutil.copyfile(read, whole)
        whole.replace(parsed)
    code = 0 if done.success else 1 if done.exception is None else 2
    return Finished(code, "\n".join(printed), done)


def _version(path: Path) -> tuple[int, int] | None:
    """What is different once a file was written again or another one took its place; None without a file."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.is_file() else None


@contextlib.contextmanager
def environment(env: Mapping[str, str] | None) -> Iterator[None]:
    """Within it, these are all environment variables of this process; those that it has, where None."""
    before, folder = dict(os.environ), Path.cwd()
    try:
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(folder)


def parsed_file(project: Path, *arguments: str) -> Path:
    """Where what dbt has read of a project is kept for the next command that reads the same.

    Args:
        project: the folder of dbt_project.yml.
        arguments: those of the command; its --vars and its --target count.
    """
    options = dict(pairwise(arguments))
    same = [
        (project / "dbt_project.yml").read_text(encoding="utf-8"),
        yaml.safe_load(options.get("--vars", "{}")),
        options.get("--target", ""),
    ]
    name = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
    return _parsed_projects / f"{name}.msgpack"


# -- what dbt has read, for another database ----------------------------------------------------------


def _readdressed(read: Callable[..., Manifest]) -> Callable[..., Manifest]:
    """dbt's reading of a project, after which every relation is where this command's profile says."""

    def read_for_this_place(config: Any, *arguments: Any, **options: Any) -> Manifest:
        manifest = read(config, *arguments, **options)
        database, published = config.credentials.database, config.credentials.schema
        disabled = [node for nodes in manifest.disabled.values() for node in nodes]
        for node in (*manifest.nodes.values(), *manifest.sources.values(), *disabled):
            if node.resource_type == "source":
                _move(node, database, node.schema)
            elif hasattr(node, "database"):
                # as macros/overrides/generate_schema_name.sql has it, and dbt by itself
                own = node.config.schema
                _move(node, database, f"{published}_{own.strip()}" if own else published)
        for unit_test in manifest.unit_tests.values():
            unit_test.schema = manifest.nodes[unit_test.depends_on.nodes[0]].schema
        for semantic_model in manifest.semantic_models.values():
            model = manifest.nodes[semantic_model.depends_on.nodes[0]]
            relation = semantic_model.node_relation
            relation.database, relation.schema_name = model.database, model.schema
            relation.relation_name = model.relation_name
        # what macros know as `graph`
        manifest.build_flat_graph()
        return manifest

    return read_for_this_place


def _move(node: Any, database: str, schema: str) -> None:
    """Says of a model, a test or a source that it is there."""
    before, now = (f'"{one}"."{two}".' for one, two in ((node.database, node.schema), (database, schema)))
    if node.relation_name:
        node.relation_name = node.relation_name.replace(before, now, 1)
    node.database, node.schema = database, schema


def _same_elsewhere(
    check: Callable[[ManifestLoader], ManifestStateCheck],
) -> Callable[..., ManifestStateCheck]:
    """dbt's notes on what it reads, in which it does not matter where the database is."""

    def check_all_else(loader: ManifestLoader) -> ManifestStateCheck:
        state = check(loader)
        connection = dict(loader.root_project.credentials.connection_info())
        told = {name: value for name, value in connection.items() if name not in _READ_ALIKE}
        state.profile_hash = FileHash.from_contents(json.dumps(told, sort_keys=True, default=str))
        return state

    return check_all_else


ManifestLoader.build_manifest_state_check = _same_elsewhere(ManifestLoader.build_manifest_state_check)
ManifestLoader.get_full_manifest = staticmethod(_readdressed(ManifestLoader.get_full_manifest))
