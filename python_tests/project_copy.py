"""Copies of this checkout, to change something in and see what notices."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# what belongs to one checkout, or is made from it
_LEFT_OUT = (
    ".git",
    ".venv",
    ".timeback",
    "target",
    "logs",
    "profiles.yml",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
)


def copy_project(to: Path) -> Path:
    """Copy the checkout, without what git ignores, to a folder that is not there yet; gives the folder."""
    shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(*_LEFT_OUT, ".hypothesis", "dbt_packages"))
    return to


def replace(project: Path, file: str, old: str, new: str) -> None:
    """Replace a text that a file of a copy holds exactly once.

    Raises:
        ValueError: it is not there, or more than once.
    """
    path = project / file
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{file} holds {text.count(old)} times, and not once: {old}")
    path.write_text(text.replace(old, new), encoding="utf-8")
