"""What came of a job: in JSON for machines, in HTML for a person, and in a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import jinja2

from timeback_analytics.job.dbt_runs import BROKEN, Ran
from timeback_analytics.job.history import Earlier, moment, write_whole
from timeback_analytics.job.outcome import Outcome
from timeback_analytics.job.refreshes import Refreshed

NEXT = {
    "GREEN": "",
    "UNFORESEEN": "read the message and run the job again; report it if the fault is ours.",
    "ANOTHER_JOB": "nothing; the other job does the rest.",
    "NO_CONNECTION": "look at the server, the network and the password, then run the job again.",
    "SOURCES": "fix the named tables, or wait for their rows, and run the job again; nothing was deployed.",
    "DEPLOY": "fix what is named here and run the job again; every view is the last good one until then.",
    "TESTS": "look at the rows that the failed tests find, by their queries; the catalog is deployed.",
    "CHECK": "look at the rules and the datasets that are named; the catalog is deployed.",
    "AUDIT": "look at what is broken, and who may have done it (docs/security.md); the catalog is deployed.",
    "INTERRUPTED": "run the job again; it goes on from what is there.",
    "STRANGER": "see who it is, and end what they do; nothing was deployed.",
}
OUTCOMES = {
    "GREEN": "Green",
    "UNFORESEEN": "Something unforeseen",
    "ANOTHER_JOB": "The connection broke and another job took over",
    "NO_CONNECTION": "No connection",
    "SOURCES": "The sources are wrong",
    "DEPLOY": "The deploy failed",
    "TESTS": "Tests failed",
    "CHECK": "The check of the live catalog failed",
    "AUDIT": "The audit found the scope's rules broken",
    "INTERRUPTED": "Interrupted",
    "STRANGER": "Somebody who runs no job keeps this one from running",
}


def as_data(job: Outcome) -> dict[str, Any]:
    """The whole report as JSON knows it."""
    failed = [step for step in job.steps if step.status == "failed"]
    seconds = round((job.finished_at - job.started_at).total_seconds(), 1)
    why = f": {failed[0].sentence}" if failed else ""
    ended = f"{OUTCOMES[job.code.name]}, after {duration(seconds)} (exit code {int(job.code)})"
    data = {
        "outcome": job.code.name.lower(),
        "exit_code": int(job.code),
        "sentence": f"{ended}{why}".rstrip(".") + ".",
        "next": NEXT[job.code.name],
        "about": dict(job.about),
        "variables": dict(job.variables),
        "version": metadata.version("timeback-analytics"),
        "started_at": job.started_at.isoformat(timespec="seconds"),
        "finished_at": job.finished_at.isoformat(timespec="seconds"),
        "seconds": seconds,
        "steps": [asdict(step) for step in job.steps],
        "tries": list(job.tries),
        "killed": list(job.killed),
        "security_events": list(job.security_events),
        "causes": [dict(one) for one in job.causes],
        "files": list(job.files),
        "models": _models(job.deployed),
        "facts": job.facts,
        "stored": {name: _stored(name, one, job.deployed) for name, one in sorted(job.refreshed.items())},
        "tests": _tests_to_look_at(job.tested),
        "tests_run": sum(one.kind == "test" for one in job.tested.results) if job.tested else None,
        "rows": {
            "how": job.rows_how,
            "datasets": {name: dict(found) for name, found in job.rows.items()},
        },
        "seeds": dict(job.seeds),
        "last_job": _in_short(job.earlier.last),
        "previous": _in_short(job.earlier.counted),
    }
    tested = job.tested.results if job.tested else ()
    passed = {one.name for one in tested if one.status in ("pass", "warn")}
    data["changes"] = _changes(data, job.earlier, passed)
    return data


def _models(deployed: Ran | None) -> dict[str, dict[str, Any]]:
    return {
        one.name: {
            "outcome": one.outcome,
            "materialized": one.materialized,
            "seconds": one.seconds,
            "message": one.message,
        }
        for one in (deployed.results if deployed else ())
        if one.kind == "model"
    }


def _tests_to_look_at(tested: Ran | None) -> dict[str, dict[str, Any]]:
    """Those that did not pass."""
    return {
        one.name: {
            "status": one.status,
            "failures": one.failures,
            "message": one.message,
            "about": one.about,
            "scope": one.scope,
            "sql": one.sql,
        }
        for one in (tested.results if tested else ())
        if one.kind == "test" and one.status != "pass"
    }


def _stored(name: str, refreshed: Refreshed, deployed: Ran | None) -> dict[str, Any]:
    seconds = [one.seconds for one in (deployed.results if deployed else ()) if one.name == name]
    return {
        "since": refreshed.since and refreshed.since.isoformat(timespec="seconds"),
        "refreshed_at": refreshed.refreshed_at.isoformat(timespec="seconds"),
        "is_whole": refreshed.is_whole,
        "added_rows": refreshed.added_rows,
        "removed_rows": refreshed.removed_rows,
        "changed_rows": dict(refreshed.changed_rows),
        "seconds": seconds[0] if seconds else None,
    }


def _in_short(data: Mapping[str, Any] | None) -> dict[str, Any] | None:
    names = ("folder", "outcome", "exit_code", "started_at", "seconds", "version")
    return {name: data[name] for name in names} if data else None


def _changes(data: Mapping[str, Any], earlier: Earlier, passed: set[str]) -> list[str]:
    """What is not as it was, a sentence each."""
    said = []
    changed: dict[str, list[str]] = {}
    for name, model in data["models"].items():
        if model["materialized"] == "view" and model["outcome"] not in ("unchanged", "skipped", "error"):
            changed.setdefault(model["outcome"], []).append(name)
    said += [f"Views {outcome}: {', '.join(sorted(names))}." for outcome, names in changed.items()]
    if earlier.deployed and data["facts"] and data["facts"] != earlier.deployed["facts"]:
        said.append(
            "The heavy datasets read stored facts now; they read live ones before."
            if data["facts"] == "stored"
            else "The heavy datasets read live facts now; they read stored ones before. "
            "To have them stored again: --vars '{stored_facts: true}'."
        )
    for name, stored in data["stored"].items():
        if stored["added_rows"] or stored["removed_rows"]:
            said.append(
                f"Stored rows of {name}: {stored['added_rows']:,} added, {stored['removed_rows']:,} removed."
            )
    if earlier.last and data["version"] != earlier.last["version"]:
        said.append(f"Version {data['version']}, before {earlier.last['version']}.")
    if earlier.counted and data["rows"]["datasets"]:
        said += _changed_rows(data["rows"]["datasets"], earlier.counted["rows"]["datasets"])
    if earlier.tested and data["tests_run"] is not None:
        said += _changed_tests(data["tests"], earlier.tested["tests"], passed)
    return said


def _changed_rows(
    datasets: Mapping[str, Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    said = _listed(
        {"New datasets": datasets.keys() - before.keys(), "Datasets gone": before.keys() - datasets.keys()}
    )
    emptied = {name for name, found in datasets.items() if found["rows"] == 0 and found["before"]}
    said += _listed({"Datasets that have no rows any more": emptied})
    compared = [
        found for found in datasets.values() if found["rows"] is not None and found["before"] is not None
    ]
    others = sum(found["rows"] != found["before"] for found in compared)
    if others:
        said.append(f"The number of rows of {others} of {len(compared)} datasets, listed below.")
    return said


def _changed_tests(
    tests: Mapping[str, Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]], passed: set[str]
) -> list[str]:
    broken, broken_before = (
        {name for name, test in found.items() if test["status"] in BROKEN} for found in (tests, before)
    )
    warned, warned_before = (
        {name for name, test in found.items() if test["status"] == "warn"} for found in (tests, before)
    )
    return _listed(
        {
            "Tests that fail now": broken - broken_before,
            "Tests that failed and pass now": broken_before & passed,
            "Tests that warn now": warned - warned_before - broken_before,
            "Tests that warned and pass now": (warned_before & passed) - warned,
        }
    )


def _listed(found: Mapping[str, set[str]]) -> list[str]:
    return [f"{what}: {', '.join(sorted(names))}." for what, names in found.items() if names]


def duration(seconds: float) -> str:
    """A time as a person says it: 48 s, 12 min 5 s, 1 h 2 min."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def write(data: Mapping[str, Any], folder: Path, state: Path) -> Path:
    """Write report.json and report.html, and copies of them in `latest`; gives the page's path."""
    template = resources.files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "moment": moment,
        "duration": duration,
        "outcome": lambda name: OUTCOMES[name.upper()],
    }
    texts = {
        # the page first: a job whose JSON is there is finished
        "report.html": environment.from_string(template).render(
            job=data, folder=folder.name, statuses_of_failure=BROKEN
        ),
        "report.json": json.dumps(data, indent=2, ensure_ascii=False) + "\n",
    }
    for place in (folder, state / "latest"):
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_whole(place / name, text)
    return folder / "report.html"
