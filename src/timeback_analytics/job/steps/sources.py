"""Before anything is deployed: whether the project can be read, and whether the sources are what it reads."""

from __future__ import annotations

from timeback_analytics.catalog.manifest import published_models, read_manifest
from timeback_analytics.job.outcome import Step
from timeback_analytics.job.work import Work


def read_project(work: Work, step: Step) -> None:
    """Have dbt read the project."""
    ran = work.dbt.parse()
    work.interruption.raise_if_asked()
    if not ran.success:
        step.status, step.sentence, step.details = "failed", "dbt cannot read the project", ran.messages
        return
    work.manifest = read_manifest(work.dbt.target_path / "manifest.json")
    models = [node for node in work.manifest["nodes"].values() if node["resource_type"] == "model"]
    datasets = len(published_models(work.manifest))
    step.status, step.sentence = "ok", f"{len(models)} models, {datasets} of them datasets"


def check_sources(work: Work, step: Step) -> None:
    """Compare the operational tables with what the catalog reads, and look at how new their rows are."""
    ran = work.run_dbt("run-operation", "check_sources")
    if not ran.success:
        step.status, step.sentence = "failed", "the operational tables are not what the catalog reads"
        step.details = ran.messages
        return
    tables = {node["name"] for node in work.manifest["sources"].values()}
    step.status, step.sentence = "ok", f"{len(work.manifest['sources'])} tables, as the catalog reads them"
    if ran.notes:
        step.status, step.warnings = "warning", list(ran.notes)
        views = "1 view reads" if len(ran.notes) == 1 else f"{len(ran.notes)} views read"
        step.sentence += f"; {views} what has another name now, until the deploy"
    asked_for = work.options.variables.get("source_freshness") or work.project_variable("source_freshness")
    if not asked_for:
        return
    if unknown := sorted(set(asked_for) - tables):
        step.status, step.sentence = "failed", f"source_freshness names no table: {', '.join(unknown)}"
        return
    _check_freshness(work, step)


def _check_freshness(work: Work, step: Step) -> None:
    fresh = work.run_dbt("source", "freshness")
    work.ran["freshness"] = fresh
    looked_at = [one for one in fresh.results if one.kind == "source"]
    stale = [one for one in looked_at if one.status != "pass"]
    step.details = [f"{one.name}: {one.status}{f', {one.message}' if one.message else ''}" for one in stale]
    if not fresh.success:
        step.status = "failed"
        step.sentence += "; their newest rows are too old: " + ", ".join(
            one.name for one in stale if one.status != "warn"
        )
        step.details += fresh.messages
    elif stale:
        step.status = "warning"
        step.sentence += f"; {len(stale)} get old"
    else:
        step.sentence += f"; {len(looked_at)} fresh enough"
