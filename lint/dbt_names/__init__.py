"""The names of dbt's Jinja context that sqlfluff does not know by itself, as the project's macros use them.

sqlfluff renders models without a database; what a macro would ask of one gets a stand-in here.
"""

from pathlib import Path
from typing import Any, ClassVar

import yaml

_PROJECT = yaml.safe_load(Path("dbt_project.yml").read_text(encoding="utf-8"))


class _Adapter:
    def quote(self, name: str) -> str:
        return f'"{name}"'


class _Target:
    name = "embedded"
    schema = "analytics"
    dbname = "timeback"
    user = "postgres"


class _Model:
    """Two columns, for the body of a dataset whose columns are those of its YAML."""

    columns: ClassVar[dict[str, Any]] = {"student_id": {}, "org_ids": {}}


adapter = _Adapter()
model = _Model()
target = _Target()
project_name = _PROJECT["name"]
execute = False


def var(name: str, default: Any = None) -> Any:
    """A variable as dbt_project.yml sets it."""
    return _PROJECT["vars"].get(name, default)
