"""The examples for a schedule (deploy/): each is well formed, and calls commands and files that there are."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from timeback_analytics.cli import main

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
HOME = "/opt/timeback-analytics"

# minute, hour, day, month, weekday: *, a number, a range, a step, or a list of those
_CRON_PART = re.compile(r"(\*|\d+(-\d+)?)(/\d+)?")
_CRON_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def assert_cron_times(times: str) -> None:
    """Five fields that cron takes."""
    fields = times.split()
    assert len(fields) == 5, times
    for field, (least, most) in zip(fields, _CRON_LIMITS, strict=True):
        for part in field.split(","):
            assert _CRON_PART.fullmatch(part), times
            numbers = [int(number) for number in re.findall(r"\d+", part.split("/")[0])]
            assert all(least <= number <= most for number in numbers), times


@pytest.mark.parametrize("times", ["* * * *", "60 * * * *", "* * 0 * *", "a * * * *", "*/5 * * * * *"])
def test_times_that_cron_refuses(times: str) -> None:
    with pytest.raises(AssertionError):
        assert_cron_times(times)


def crontab_lines() -> list[str]:
    """The lines of the crontab that start something."""
    return [
        line
        for line in (DEPLOY / "cron" / "timeback").read_text().splitlines()
        if line and not line.startswith("#") and not re.match(r"\w+=", line)
    ]


def test_the_crontab_parses() -> None:
    text = (DEPLOY / "cron" / "timeback").read_text()
    assert text.endswith("\n"), "cron ignores a last line without an end"
    (line,) = crontab_lines()
    *times, user, command = line.split(maxsplit=6)
    assert_cron_times(" ".join(times))
    assert user == "timeback"
    assert "%" not in command, "a percent sign ends a command of cron's"
    assert subprocess.run(["sh", "-n", "-c", command], check=False).returncode == 0


def calls() -> Iterator[tuple[str, list[str]]]:
    """(file, arguments) of every call of `timeback` in the examples."""
    for path in sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".md"):
        for found in re.finditer(r"\.venv/bin/timeback ([a-z]+(?: --[a-z]+ [a-z-]+)*)", path.read_text()):
            yield path.name, found[1].split()


def test_the_examples_call_the_job() -> None:
    assert {file for file, (command, *_) in calls() if command == "job"} == {
        "timeback",
        "timeback-job.service",
        "timeback.yml",
    }


def test_the_examples_use_commands_and_options_that_there_are() -> None:
    for file, (command, *options) in calls():
        help_of_it = CliRunner().invoke(main, [command, "--help"])
        assert help_of_it.exit_code == 0, f"{file}: {command}"
        known = help_of_it.output
        for option in options:
            assert not option.startswith("--") or re.search(rf"{option}\b", known), f"{file}: {option}"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_verify(unit: Path, tmp_path: Path) -> None:
    """By systemd's own check, with a program that exists in place of the installed one."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze here")
    for path in UNITS:
        text = path.read_text()
        (tmp_path / path.name).write_text(text.replace(f"{HOME}/.venv/bin/timeback", "/bin/true"))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_timer_starts_the_service() -> None:
    assert {path.stem for path in UNITS} == {"timeback-job"}
    service = (DEPLOY / "systemd" / "timeback-job.service").read_text()
    documentation = re.search(rf"^Documentation=file://{HOME}/(.*)$", service, flags=re.MULTILINE)[1]
    assert documentation == "docs/job.md"
    assert re.search(rf"^ExecStart={HOME}/.venv/bin/timeback job\b", service, flags=re.MULTILINE)


def workflow() -> dict:
    """The workflow; YAML 1.1 reads its key `on` as true."""
    return yaml.safe_load((DEPLOY / "github-actions" / "timeback.yml").read_text())


def test_the_workflow_runs_commands_that_exist() -> None:
    loaded = workflow()
    for entry in loaded[True]["schedule"]:
        assert_cron_times(entry["cron"])
    steps = loaded["jobs"]["job"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    for step in steps:
        if "uses" in step:
            # a tag can be moved to other code, a commit cannot
            assert re.fullmatch(r"actions/[a-z-]+(/[a-z]+)?@[0-9a-f]{40}", step["uses"])
        else:
            assert subprocess.run(["bash", "-n", "-c", step["run"]], check=False).returncode == 0
    (target,) = re.findall(r"^make (\w+)", "\n".join(step.get("run", "") for step in steps), re.MULTILINE)
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    cached = next(step["with"] for step in steps if "cache-dependency-path" in step.get("with", {}))
    assert (ROOT / cached["cache-dependency-path"]).is_file()


def test_the_workflow_keeps_the_reports_that_the_next_job_compares_with() -> None:
    """A runner's folder is new each time; what is kept is where the job writes, and has a name of its own."""
    steps = {step["name"]: step for step in workflow()["jobs"]["job"]["steps"] if "name" in step}
    (state,) = re.findall(r"--state (\S+)", steps["Run the job"]["run"])
    fetched, kept = steps["Fetch the last reports"], steps["Keep the reports for the next job"]
    assert fetched["with"]["path"] == kept["with"]["path"] == state
    assert fetched["with"]["key"] == kept["with"]["key"]
    assert "${{ github.run_id }}" in kept["with"]["key"]
    assert kept["with"]["key"].startswith(fetched["with"]["restore-keys"])
    assert list(steps).index("Fetch the last reports") < list(steps).index("Run the job")
    for name in ("Keep the reports for the next job", "Keep the report"):
        assert steps[name]["if"] == "always()", "of failed jobs too"
    for line in steps["Keep the report"]["with"]["path"].split():
        assert line.startswith(f"{state}/")


def test_the_line_for_stored_facts_says_the_same_to_a_shell_and_to_systemd() -> None:
    """cron's line reads job.env by a shell; systemd takes one pair of single quotes off."""
    (line,) = set(re.findall(r"TIMEBACK_VARS='[^']*'", (DEPLOY / "README.md").read_text()))
    name, value = line.split("=", 1)
    read = subprocess.run(
        ["sh", "-ec", f'{line}; printf %s "$TIMEBACK_VARS"'], capture_output=True, text=True, check=True
    ).stdout
    assert name == "TIMEBACK_VARS" and read == value.strip("'")
    assert yaml.safe_load(read) == {"stored_facts": True}
    declared = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    assert "stored_facts" in declared
    assert "TIMEBACK_VARS" in workflow()["jobs"]["job"]["env"]


@pytest.mark.parametrize(
    ("code", "ends_with"), [(0, 0), (3, 0), (1, 1), (6, 6)], ids=["green", "overlap", "failure", "deploy"]
)
def test_the_workflow_passes_the_exit_code_on(code: int, ends_with: int, tmp_path: Path) -> None:
    """Run as GitHub runs it, with a `timeback` that ends with a code."""
    (script,) = (
        step["run"] for step in workflow()["jobs"]["job"]["steps"] if step.get("name") == "Run the job"
    )
    fake = tmp_path / ".venv" / "bin" / "timeback"
    fake.parent.mkdir(parents=True)
    fake.write_text(f"#!/bin/sh\nexit {code}\n")
    fake.chmod(0o755)
    result = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, check=False)
    assert result.returncode == ends_with


def test_the_dagster_file_compiles_and_pins_what_it_needs() -> None:
    source = (DEPLOY / "dagster" / "definitions.py").read_text()
    compile(source, "definitions.py", "exec")
    pinned = (DEPLOY / "dagster" / "requirements.txt").read_text().splitlines()
    packages = {line.split("==")[0] for line in pinned if "==" in line}
    imported = re.findall(r"^(?:import|from) (dagster\w*)", source, flags=re.MULTILINE)
    assert {name.replace("_", "-") for name in imported} <= packages
    assert {"dbt-core", "dbt-postgres"} <= packages
    assert all(re.fullmatch(r"[a-z-]+==[\d.]+", line) for line in pinned if not line.startswith("#"))


def test_the_dagster_file_loads() -> None:
    """In this environment, where Dagster is installed in it; it is none of the project's own dependencies."""
    if not importlib.util.find_spec("dagster_dbt"):
        pytest.skip("dagster-dbt is not installed: pip install -r deploy/dagster/requirements.txt")
    if not (ROOT / "target" / "manifest.json").exists():
        pytest.skip("there is no manifest: dbt parse")
    result = subprocess.run(
        [sys.executable, "-c", "import definitions; print(len(definitions.catalog.keys))"],
        cwd=DEPLOY / "dagster",
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 100
