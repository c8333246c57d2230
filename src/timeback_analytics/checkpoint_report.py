"""What came of a check: in JSON for machines, in HTML and in lines of text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from timeback_analytics.checkpoint import Outcome
from timeback_analytics.promises import Suite

Results = Sequence[tuple[Suite, Sequence[Outcome]]]


def status(outcome: Outcome) -> str:
    """passed, failed or warning."""
    if outcome.passed:
        return "passed"
    return "failed" if outcome.failed else "warning"


def as_data(results: Results, about: Mapping[str, str], finished_at: datetime) -> dict[str, Any]:
    """The whole check as JSON knows it: about, success, counts, and the rules of each dataset.

    It is not a success when no scoped dataset shows a row.

    Args:
        results: the suites and what came of them.
        about: what was checked, for example target, database, schema and scope.
        finished_at: when, with a time zone.
    """
    outcomes = [outcome for _, found in results for outcome in found]
    states = [status(outcome) for outcome in outcomes]
    guards = [outcome.passed for outcome in outcomes if outcome.rule.is_guard]
    nothing_shown = bool(guards) and not any(guards)
    return {
        **about,
        "finished_at": finished_at.isoformat(timespec="seconds"),
        # rules hold of no rows whatever is wrong
        "success": "failed" not in states and not nothing_shown,
        "nothing_shown": nothing_shown,
        "counts": {state: states.count(state) for state in ("passed", "failed", "warning")},
        "datasets": {
            suite.dataset: {
                "rules": [_rule_as_data(outcome) for outcome in found],
                "unchecked": list(suite.unchecked),
            }
            for suite, found in results
        },
    }


def _rule_as_data(outcome: Outcome) -> dict[str, Any]:
    rule = outcome.rule
    return {
        "column": rule.column,
        "rule": rule.name,
        "promise": rule.text,
        "severity": "warning" if rule.is_warning else "error",
        "status": status(outcome),
        "broken_rows": outcome.broken_rows,
        "sample": [dict(keys) for keys in outcome.sample],
        "error": outcome.error,
        "query": rule.broken,
    }


def write(data: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write checkpoint.json and checkpoint.html, which needs nothing from a network; gives both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_html = folder / "checkpoint.json", folder / "checkpoint.html"
    as_json.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    template = resources.files(__package__).joinpath("checkpoint.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    as_html.write_text(environment.from_string(template).render(check=data), encoding="utf-8")
    return as_json, as_html


def lines_about(outcome: Outcome) -> Iterator[str]:
    """A rule that does not hold, for a terminal: where, what is promised, how many rows, the keys of some."""
    yield f"{status(outcome).upper()}  {_place(outcome)}  {outcome.rule.name}: {outcome.rule.text}"
    yield f"    {_extent(outcome)}"
    for keys in outcome.sample:
        yield "    " + ", ".join(
            f"{name} = {'null' if value is None else value}" for name, value in keys.items()
        )
    if outcome.sample and len(outcome.sample) < (outcome.broken_rows or 0):
        yield "    ..."


def in_short(outcome: Outcome) -> str:
    """A rule that does not hold, in one line: where, which, by how many rows."""
    return f"{status(outcome).upper()}  {_place(outcome)}  {outcome.rule.name}: {_extent(outcome)}"


def _place(outcome: Outcome) -> str:
    rule = outcome.rule
    return rule.dataset if rule.column is None else f"{rule.dataset}.{rule.column}"


def _extent(outcome: Outcome) -> str:
    if outcome.error:
        return f"could not be checked: {outcome.error}"
    return f"broken by {outcome.broken_rows} {'row' if outcome.broken_rows == 1 else 'rows'}"
