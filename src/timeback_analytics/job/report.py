"""What came of a job: in JSON for machines, in HTML for a person, and in a sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

if TYPE_CHECKING:
    from timeback_analytics.job.dbt_runs import Ran
    from timeback_analytics.job.run import Exit, Step

NEXT = {
    "GREEN": "",
    "UNFORESEEN": "read the message above.",
    "ANOTHER_JOB": "nothing; the other job does it.",
    "NO_CONNECTION": "look at the server, the network and the password, then run the job again.",
    "SOURCES": "mend the operational tables, or name others with --vars; nothing was deployed.",
    "DEPLOY": "mend what the report names and run the job again; every view is the last good one until then.",
    "TESTS": "look at the rows that the failed tests name; the catalog is deployed.",
    "CHECK": "look at checkpoint.html beside the report; the catalog is deployed.",
    "INTERRUPTED": "run the job again; it goes on from whatever is there.",
}
OUTCOMES = {
    "GREEN": "Green",
    "NO_CONNECTION": "No connection",
    "SOURCES": "The sources are wrong",
    "DEPLOY": "The deploy failed",
    "TESTS": "Tests failed",
    "CHECK": "The check of the live catalog failed",
    "INTERRUPTED": "Interrupted",
}


def as_data(
    *,
    code: Exit,
    about: Mapping[str, str],
    started_at: datetime,
    finished_at: datetime,
    steps: Sequence[Step],
    tries: Sequence[str],
    killed: Sequence[str],
    deployed: Ran | None,
    tested: Ran | None,
    rows: Mapping[str, Mapping[str, Any]],
    rows_how: str,
    seeds: Mapping[str, str],
    previous: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The whole report as JSON knows it.

    Args:
        code: how the job ended.
        about: target, database, host, schema, role, server.
        started_at: when it began, in UTC; finished_at: when it ended.
        steps: every step, in order.
        tries: a sentence for each connection that broke.
        killed: a sentence for each earlier job that never wrote a report.
        deployed: what came of dbt run; tested: of dbt test.
        rows: {dataset: {rows, before, seconds, error}}; rows_how: how they were counted.
        seeds: {seed: checksum of its file} as loaded.
        previous: the last report with row counts of the same catalog.
    """
    failed = [step for step in steps if step.status == "failed"]
    seconds = round((finished_at - started_at).total_seconds(), 1)
    why = f": {failed[0].sentence}" if failed else ""
    data = {
        "outcome": code.name.lower(),
        "exit_code": int(code),
        "sentence": f"{OUTCOMES[code.name]}{why}, after {seconds:.0f} s (exit code {int(code)}).",
        "next": NEXT[code.name],
        "about": dict(about),
        "version": metadata.version("timeback-analytics"),
        "started_at": started_at.isoformat(timespec="seconds"),
        "finished_at": finished_at.isoformat(timespec="seconds"),
        "seconds": seconds,
        "steps": [
            {
                "name": step.name,
                "status": step.status,
                "seconds": step.seconds,
                "sentence": step.sentence,
                "details": step.details,
            }
            for step in steps
        ],
        "tries": list(tries),
        "killed": list(killed),
        "models": {
            one.name: {
                "outcome": one.message if one.status == "success" else one.status,
                "materialized": one.materialized,
                "rows": one.rows,
                "seconds": one.seconds,
                "message": one.message,
            }
            for one in (deployed.results if deployed else ())
            if one.kind == "model"
        },
        "tests": {
            one.name: {"status": one.status, "failures": one.failures, "message": one.message}
            for one in (tested.results if tested else ())
            if one.kind == "test" and one.status != "pass"
        },
        "tests_run": sum(one.kind == "test" for one in tested.results) if tested else None,
        "rows": {"how": rows_how, "datasets": {name: dict(found) for name, found in rows.items()}},
        "seeds": dict(seeds),
        "previous": previous
        and {name: previous[name] for name in ("outcome", "exit_code", "started_at", "seconds", "version")},
    }
    data["changes"] = _changes(data, previous)
    return data


def _changes(data: Mapping[str, Any], previous: Mapping[str, Any] | None) -> list[str]:
    """What is not as it was, a sentence each."""
    said = []
    changed: dict[str, list[str]] = {}
    for name, model in data["models"].items():
        if model["materialized"] == "view" and model["outcome"] not in ("unchanged", "skipped", "error"):
            changed.setdefault(model["outcome"], []).append(name)
    said += [f"Views {outcome}: {', '.join(sorted(names))}." for outcome, names in changed.items()]
    if previous is None:
        return said
    if data["version"] != previous["version"]:
        said.append(f"Version {data['version']}, before {previous['version']}.")
    datasets, before = data["rows"]["datasets"], previous["rows"]["datasets"]
    if datasets:
        for what, names in (
            ("New datasets", datasets.keys() - before.keys()),
            ("Datasets gone", before.keys() - datasets.keys()),
        ):
            if names:
                said.append(f"{what}: {', '.join(sorted(names))}.")
        emptied = [name for name, found in datasets.items() if found["rows"] == 0 and found["before"]]
        if emptied:
            said.append(f"Datasets that have no rows any more: {', '.join(emptied)}.")
    if data["tests_run"] is not None and previous.get("tests_run") is not None:
        broken, broken_before = (
            {name for name, test in report["tests"].items() if test["status"] in ("fail", "error")}
            for report in (data, previous)
        )
        for what, names in (
            ("Tests that fail now", broken - broken_before),
            ("Tests that failed and pass now", broken_before - broken),
        ):
            if names:
                said.append(f"{what}: {', '.join(sorted(names))}.")
    return said


def write(data: Mapping[str, Any], folder: Path, state: Path) -> Path:
    """Write report.json and report.html, and copies of them in `latest`; gives the page's path."""
    template = resources.files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    texts = {
        # the page first: a job whose JSON is there is finished
        "report.html": environment.from_string(template).render(job=data, folder=folder.name),
        "report.json": json.dumps(data, indent=2, ensure_ascii=False) + "\n",
    }
    for place in (folder, state / "latest"):
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_whole(place / name, text)
    return folder / "report.html"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there with all of its text or not at all, whenever the process is killed."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
