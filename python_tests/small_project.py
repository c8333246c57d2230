"""A project of a few models with this one's macros and settings, to deploy again and again in a second."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dbt.artifacts.resources.types import NodeType
from dbt.artifacts.schemas.results import RunStatus
from dbt.cli.main import dbtRunnerResult

from dbt_in_process import run_dbt

ROOT = Path(__file__).resolve().parents[1]

_SOURCES = {
    "sources": [
        {
            "name": "operational",
            "schema": "operational",
            "tables": [
                {
                    "name": "thing",
                    "config": {
                        "loaded_at_field": "seen_at",
                        "freshness": "{{ var('source_freshness', {}).get('thing') }}",
                    },
                    "columns": [
                        {"name": "id", "data_type": "integer"},
                        {"name": "name", "data_type": "text"},
                    ],
                }
            ],
        }
    ]
}


@dataclass
class SmallProject:
    """One source, `thing`; internal models and datasets as a test writes them.

    The profile is the checkout's: TIMEBACK_EMBEDDED_HOST and TIMEBACK_EMBEDDED_DATABASE say where to deploy.
    """

    folder: Path
    said: list[str] = field(default_factory=list)
    """What the last dbt command said to a user: our macros' messages, warnings, errors."""

    def __post_init__(self) -> None:
        settings = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
        del settings["seeds"], settings["data_tests"], settings["docs-paths"]
        for folder in ("staging", "bi", "metrics"):
            del settings["models"]["timeback_analytics"][folder]
        # a test that is about these views asks for them
        settings["vars"]["bi_views"] = False
        self._write("dbt_project.yml", yaml.safe_dump(settings, sort_keys=False))
        shutil.copytree(ROOT / "macros", self.folder / "macros")
        shutil.copy(ROOT / "profiles.yml.example", self.folder / "profiles.yml")
        self._write("models/groups.yml", (ROOT / "models" / "groups.yml").read_text())
        self._write("models/sources.yml", yaml.safe_dump(_SOURCES))
        scope = ROOT / "models" / "intermediate" / "int_caller_scope.sql"
        self.internal("int_caller_scope", scope.read_text())
        self._write("models/intermediate/int_caller_scope.yml", scope.with_suffix(".yml").read_text())

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def internal(self, name: str, sql: str) -> None:
        """Write a model of the internal schema."""
        self._write(f"models/intermediate/{name}.sql", sql)

    def dataset(
        self,
        name: str,
        sql: str,
        columns: Mapping[str, str],
        description: str = "Things.",
        tests: Mapping[str, list[Any]] | None = None,
        **meta: Any,
    ) -> None:
        """Write a dataset: its SQL, its columns with their types, tests of columns, its meta."""
        self._write(f"models/datasets/{name}.sql", sql)
        listed = [
            {
                "name": column,
                "data_type": data_type,
                "description": f"The {column}.",
                "data_tests": (tests or {}).get(column, []),
            }
            for column, data_type in columns.items()
        ]
        model = {"name": name, "description": description, "config": {"meta": meta}, "columns": listed}
        self._write(f"models/datasets/{name}.yml", yaml.safe_dump({"models": [model]}, sort_keys=False))

    def remove(self, name: str) -> None:
        """Take a model away."""
        for path in (self.folder / "models").rglob(f"{name}.*"):
            path.unlink()

    def dbt(self, *arguments: str) -> dbtRunnerResult:
        """Run dbt in this process."""
        self.said.clear()
        return run_dbt(
            *("--quiet", *arguments, "--target", "embedded"),
            project=self.folder,
            profiles=self.folder,
            target_path=self.folder / "target",
            on_event=self._listen,
        ).result

    def _listen(self, event: Any) -> None:
        if event.info.level in ("warn", "error") or event.info.name == "JinjaLogInfo":
            self.said.append(event.info.msg)

    def run(self, *arguments: str, **variables: Any) -> dict[str, str]:
        """`dbt run`: what became of each model, in a word or two.

        Raises:
            AssertionError: it fails, with what dbt said.
        """
        done = self.dbt("run", *arguments, "--vars", yaml.safe_dump(variables, default_flow_style=True))
        assert done.success, self.text
        return {
            result.node.name: result.message
            for result in done.result
            if result.node.resource_type == NodeType.Model and result.status == RunStatus.Success
        }

    def fail(self, *arguments: str, **variables: Any) -> str:
        """`dbt run` that must fail: what it said, on one line."""
        done = self.dbt("run", *arguments, "--vars", yaml.safe_dump(variables, default_flow_style=True))
        assert not done.success, "dbt run was to fail and did not"
        return self.text

    @property
    def text(self) -> str:
        """What the last command said, on one line."""
        return " ".join(" ".join(self.said).split())
