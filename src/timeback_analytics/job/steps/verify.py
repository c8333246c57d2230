"""After the deploy: dbt's tests, and the promises of the YAML on the live catalog."""

from __future__ import annotations

from datetime import UTC, datetime

from timeback_analytics.catalog.manifest import may_be_scoped, published_models
from timeback_analytics.checkpoint import Checkpoint, Outcome
from timeback_analytics.checkpoint_report import as_data, lines_about, status
from timeback_analytics.checkpoint_report import write as write_checkpoint
from timeback_analytics.connection import connection_string
from timeback_analytics.errors import MissingDependencyError, TimebackError
from timeback_analytics.job.outcome import Step
from timeback_analytics.job.steps.causes import causes_of
from timeback_analytics.job.work import ConnectionBrokeError, Work
from timeback_analytics.promises import Suite, suites


def run_tests(work: Work, step: Step) -> None:
    """Run dbt's data tests; those of scoped datasets where the deploying role may see every row."""
    if not work.options.tests:
        step.status, step.sentence = "skipped", "left out by --no-tests"
        return
    selection = ("--select", *work.options.select) if work.options.select else ()
    left_out: list[str] = []
    if not work.catalog.may_see_everyone():
        left_out = [node["name"] for node in published_models(work.manifest) if may_be_scoped(node)]
    ran = work.run_dbt(
        "test",
        *selection,
        # unit tests are about the code, which is the same every night
        *("--exclude-resource-type", "unit_test"),
        *(("--exclude", *left_out) if left_out else ()),
    )
    work.ran["tests"] = ran
    tests = [one for one in ran.results if one.kind == "test"]
    if selection and not tests:
        step.status = "failed"
        step.sentence = f"--select {' '.join(work.options.select)} selects no test"
        if left_out:
            step.sentence += " but ones of scoped datasets, which are left out, see below"
            step.details.append(work.catalog.why_not_everyone("Tests of scoped datasets", work.about["role"]))
        return
    failed = [one for one in tests if one.failed]
    warned = [one for one in tests if one.status == "warn"]
    step.sentence = f"{len(tests)} tests, {len(failed)} failed, {len(warned)} warned"
    if left_out:
        step.sentence += f"; those of {len(left_out)} scoped datasets are left out, see below"
        step.details.append(work.catalog.why_not_everyone("Tests of scoped datasets", work.about["role"]))
    work.causes[:] = causes_of(work, failed, warned)
    step.details += [f"{cause['sentence']} It breaks {', '.join(cause['breaks'])}." for cause in work.causes]
    step.details += [f"{one.name}: {one.message}" for one in failed]
    step.warnings = [f"{one.name}: {one.message}" for one in warned]
    if ran.success:
        step.status = "warning" if warned or left_out else "ok"
    else:
        step.status = "failed"
        step.details += [ran.error] * bool(ran.error)


def check_promises(work: Work, step: Step) -> None:
    """Hold the live catalog to its YAML, as `timeback check` does, and write that page."""
    if not work.options.check:
        step.status, step.sentence = "skipped", "left out by --no-check"
        return
    if not work.catalog.may_see_everyone():
        step.status = "skipped"
        step.sentence = work.catalog.why_not_everyone("The rules of scoped datasets", work.about["role"])
        return
    try:
        checkpoint = Checkpoint(connection_string(work.options.target), work.options.schema, "*")
    except MissingDependencyError as error:
        step.status, step.sentence = "skipped", str(error)
        return
    except TimebackError as error:
        raise ConnectionBrokeError(str(error)) from error
    results, about = _run_suites(work, checkpoint)
    data = as_data(results, {"target": work.options.target, **about}, datetime.now(UTC))
    write_checkpoint(data, work.folders.folder)
    counts = data["counts"]
    step.sentence = f"{counts['passed']} rules hold, {counts['failed']} failed, {counts['warning']} warned"
    if data["nothing_shown"] and work.catalog.has_no_people():
        step.status = "skipped"
        step.sentence = "the operational tables are empty: there is nothing to check"
        return
    for outcome in (outcome for _, found in results for outcome in found):
        # without the keys of the rows, which the page has
        lines = "\n".join(list(lines_about(outcome))[:2])
        if status(outcome) == "failed":
            step.details.append(lines)
        elif status(outcome) == "warning":
            step.warnings.append(lines)
    step.status = "failed" if not data["success"] else "warning" if counts["warning"] else "ok"


def _run_suites(
    work: Work, checkpoint: Checkpoint
) -> tuple[list[tuple[Suite, list[Outcome]]], dict[str, str]]:
    """What came of each dataset's rules, and what the checkpoint says about the database; closes it."""
    results = []
    try:
        wanted = suites(work.manifest, work.options.schema)
        for number, suite in enumerate(wanted, 1):
            results.append((suite, checkpoint.run(suite)))
            work.interruption.raise_if_asked()
            work.on_progress("check", number, len(wanted))
        return results, checkpoint.about()
    finally:
        checkpoint.close()
