"""What a clone is installed from: Makefile, lock file, package."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# what running and what developing is installed from, and what each must hold
LOCKS = {name: (ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock")}
RUNTIME = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["build"]]
WANTED = [("requirements.lock", wanted) for wanted in RUNTIME] + [
    ("requirements-dev.lock", wanted) for wanted in [*RUNTIME, *PROJECT["optional-dependencies"]["dev"]]
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that make needs before there is an environment, in a folder whose name has spaces."""
    path = tmp_path / "a clone's folder"
    path.mkdir()
    for name in ("Makefile", "pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, path)
    return path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make on a folder from another one, as `make -C` does."""
    return subprocess.run(
        ["make", "-C", folder, *arguments],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )


def pins(lock: str) -> set[str]:
    """The name==version of each of a lock file's entries."""
    return set(re.findall(r"^[a-z0-9].*==[^ ;]+", LOCKS[lock], re.MULTILINE))


@pytest.mark.parametrize(("lock", "line"), WANTED)
def test_lock_holds_what_the_project_asks_for(lock: str, line: str) -> None:
    wanted = Requirement(line)
    name = re.escape(canonicalize_name(wanted.name))
    versions = re.findall(rf"^{name}(?:\[[a-z,-]+\])?==([^ ;]+)", LOCKS[lock], re.MULTILINE)
    assert versions, f"{wanted} is not locked: make lock"
    assert all(wanted.specifier.contains(version) for version in versions)


def test_locks_agree() -> None:
    assert pins("requirements.lock") < pins("requirements-dev.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_version_has_hashes_and_no_place(lock: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", LOCKS[lock])
    entries = [entry for entry in entries if not entry.startswith("#")]
    assert len(entries) > 40
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", LOCKS[lock])


def test_wheel_holds_the_sql_and_the_dbt_plugin(tmp_path: Path) -> None:
    # built on a copy, since setuptools writes beside the sources
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--wheel-dir", tmp_path, source],
        check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    kept = {path for path in (ROOT / "src").rglob("*") if path.suffix in (".py", ".sql")}
    assert {str(path.relative_to(ROOT / "src")) for path in kept} <= names
    assert "timeback_analytics/operational/schema.sql" in names
    assert "dbt_timeback_analytics.py" in names


def test_installed_command_is_the_package() -> None:
    if not any(entry.name == "timeback" for entry in metadata.entry_points(group="console_scripts")):
        pytest.skip("the package is on the path and not installed")
    (entry,) = metadata.entry_points(group="console_scripts", name="timeback")
    assert entry.load().name == "main"


def test_make_without_a_python_says_what_to_do(clone: Path) -> None:
    result = make(clone, "venv", "PYTHON=/nonexistent/python3")
    assert result.returncode == 2
    assert "/nonexistent/python3" in result.stderr
    assert "3.11" in result.stderr
    assert "PYTHON=" in result.stderr
    assert not (clone / ".venv").exists()


def test_make_refuses_an_old_python(clone: Path) -> None:
    old = clone / "old python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = make(clone, "venv", f"PYTHON={old}")
    assert result.returncode == 2
    assert str(old) in result.stderr


def test_environment_is_made_anew_when_its_sources_change(clone: Path) -> None:
    def stamp(folder: Path) -> str:
        database = make(folder, "--print-data-base", "--dry-run", "help").stdout
        key = re.search(r"^KEY := (\d+)$", database, re.MULTILINE)[1]
        return f".venv/made-from-{key}"

    first = stamp(clone)
    (clone / ".venv").mkdir()
    (clone / first).touch()
    assert make(clone, "--question", "venv").returncode == 0
    (clone / "requirements.lock").write_text(LOCKS["requirements.lock"] + "# newer\n")
    assert stamp(clone) != first
    assert make(clone, "--question", "venv").returncode == 1
    shutil.copy(ROOT / "requirements.lock", clone)
    assert make(clone, "--question", "venv").returncode == 0
    moved = clone.rename(clone.with_name("moved"))
    assert make(moved, "--question", "venv").returncode == 1, "an environment does not survive a move"


@pytest.mark.parametrize(
    "target", ["run", "test", "docs", "lint", "bench", "mutants", "soak", "lock", "clean"]
)
def test_promised_targets_exist(clone: Path, target: str) -> None:
    assert make(clone, "--dry-run", target).returncode == 0


def test_make_alone_says_what_there_is(clone: Path) -> None:
    result = make(clone)
    assert result.returncode == 0
    assert "make run" in result.stdout
    assert "make test" in result.stdout
