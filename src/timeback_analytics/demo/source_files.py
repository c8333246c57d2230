"""The files that the demo is made of: where they are, how they are read, and what they amount to."""

import csv
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from timeback_analytics.errors import TimebackError
from timeback_analytics.project import project_root

# libyaml's loader is ten times faster, and not in every build of PyYAML
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def demo_dir() -> Path:
    """The folder of the demo's input, `demo` in the project.

    Raises:
        TimebackError: the checkout has none.
    """
    path = project_root() / "demo"
    if not (path / "README.md").is_file():
        raise TimebackError(
            f"The demo's input is missing: there is no {path / 'README.md'}. Restore it with git."
        )
    return path


def education_levels_file() -> Path:
    """The CEDS education levels, which are a dbt seed too."""
    return project_root() / "seeds" / "ceds_education_level.csv"


def education_levels() -> list[dict[str, str]]:
    """The CEDS education levels: code, label, rank, uuid."""
    return read_csv(education_levels_file())


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a UTF-8 CSV file, each a dict of its header's names."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_yaml(path: Path) -> Any:
    """What a UTF-8 YAML file holds."""
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=_LOADER)


def input_digest() -> str:
    """One checksum over everything that decides the demo's rows: its input, and the code that reads it.

    The same digest means the same rows, so that a second build can be left out.
    """
    package = resources.files("timeback_analytics")
    code = [Path(str(package / "operational" / "schema.sql"))]
    for folder in ("demo", "load"):
        code += sorted(Path(str(package / folder)).rglob("*.py"))
    files = [path for path in sorted(demo_dir().rglob("*")) if path.is_file()]
    files.append(education_levels_file())

    digest = hashlib.sha256()
    for path in [*files, *code]:
        content = path.read_bytes()
        # name and length, so that no content can pass from one file to the next unnoticed
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
