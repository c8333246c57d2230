"""How many rows each dataset has."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from timeback_analytics.catalog.manifest import may_be_scoped, models_behind, published_models
from timeback_analytics.catalog.names import SCOPE_SETTINGS
from timeback_analytics.job.outcome import Step
from timeback_analytics.job.work import ConnectionBrokeError, Work
from timeback_analytics.queries import first_row


def count_rows(work: Work, step: Step) -> None:
    """Count the rows of each dataset, through the scope where the deploying role may, else behind it."""
    if not work.options.rows:
        step.status, step.sentence = "skipped", "left out by --no-rows"
        return
    if not work.manifest:
        step.status, step.sentence = "skipped", "the project could not be read"
        return
    if not work.catalog.has_datasets():
        step.status, step.sentence = "skipped", "nothing is deployed yet: there are no rows to count"
        return
    everyone = work.catalog.may_see_everyone()
    _count_all(work, everyone)
    work.rows_how = (
        "with scope *, every organization"
        if everyone
        else "of scoped datasets in the model behind the scope. "
        + work.catalog.why_not_everyone("Counts through the scope", work.about["role"])
    )
    broken = {name: found["error"] for name, found in work.rows.items() if found["error"]}
    late = [name for name, found in work.rows.items() if found["rows"] is None and not found["error"]]
    total = sum(found["rows"] or 0 for found in work.rows.values())
    step.sentence = f"{total:,} rows in {len(work.rows)} datasets"
    if late:
        step.details.append(
            f"Not counted within {work.options.rows_timeout:g} s: {', '.join(late)}. "
            "--rows-timeout gives longer."
        )
    if not everyone:
        step.details.append("Counted " + work.rows_how)
    if broken:
        step.status = "failed"
        step.sentence += f"; {len(broken)} cannot be read"
        step.details += [f"{name}: {error}" for name, error in broken.items()]
    else:
        step.status = "warning" if late else "ok"


def _count_all(work: Work, everyone: bool) -> None:
    before = (work.folders.earlier.counted or {}).get("rows", {}).get("datasets", {})
    datasets = published_models(work.manifest)
    with work.catalog.session() as conn:
        for setting in SCOPE_SETTINGS:
            conn.execute("select set_config(%s, '*', false)", [setting])
        conn.execute(
            "select set_config('statement_timeout', %s, false)", [f"{work.options.rows_timeout * 1000:.0f}"]
        )
        for number, node in enumerate(datasets, 1):
            work.rows[node["name"]] = _count(work, conn, node, everyone, before.get(node["name"], {}))
            work.interruption.raise_if_asked()
            work.on_progress("rows", number, len(datasets))


def _count(
    work: Work,
    conn: psycopg.Connection,
    node: Mapping[str, Any],
    everyone: bool,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """{rows, before, seconds, error} of a dataset; rows is None where they could not be counted."""
    relations = [sql.Identifier(work.options.schema, node["alias"])]
    if may_be_scoped(node) and not everyone:
        relations = [
            sql.Identifier(model["schema"], model["alias"]) for model in models_behind(node, work.manifest)
        ]
    started = time.monotonic()
    counted: dict[str, Any] = {"rows": None, "before": before.get("rows"), "error": None}
    try:
        counted["rows"] = sum(
            first_row(conn.execute(sql.SQL("select count(*) from {}").format(relation)))[0]
            for relation in relations
        )
    except psycopg.errors.QueryCanceled:
        pass
    except psycopg.OperationalError as error:
        raise ConnectionBrokeError(str(error)) from error
    except psycopg.Error as error:
        counted["error"] = " ".join(str(error).split())
    return {**counted, "seconds": round(time.monotonic() - started, 2)}
