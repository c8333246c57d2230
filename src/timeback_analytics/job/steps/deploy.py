"""The deploy: seeds whose file changed, every view, stored facts."""

from __future__ import annotations

from timeback_analytics.job.dbt_runs import Result
from timeback_analytics.job.history import moment
from timeback_analytics.job.live_catalog import quoted
from timeback_analytics.job.outcome import Step
from timeback_analytics.job.refreshes import in_words
from timeback_analytics.job.steps.audit import note_what_is_broken
from timeback_analytics.job.work import Work


def deploy(work: Work, step: Step) -> None:
    """Load seeds, then `dbt run`."""
    # also what a try before this one refreshed
    work.look_at_refreshes()
    note_what_is_broken(work)
    seeds = _seeds_to_load(work)
    if seeds:
        seeded = work.run_dbt("seed", "--select", *seeds)
        if not seeded.success:
            step.status, step.sentence, step.details = "failed", "seeds failed", seeded.messages
            return
    ran = work.run_dbt("run")
    work.ran["deploy"] = ran
    counts: dict[str, int] = {}
    for one in ran.results:
        if one.kind == "model":
            counts[one.outcome] = counts.get(one.outcome, 0) + 1
    done = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
    step.details = [*(f"{one.name}: {one.message}" for one in ran.results if one.failed), *ran.notes]
    step.warnings = list(ran.warnings)
    if ran.success:
        step.status, step.sentence = "warning" if ran.warnings else "ok", done
    else:
        step.status = "failed"
        step.sentence = done or "dbt run stopped before the first model"
        step.details = [ran.error] * bool(ran.error) + step.details


def _seeds_to_load(work: Work) -> list[str]:
    """Names of the seeds whose file is not the one that was loaded last, or whose table is gone."""
    loaded = work.folders.seeds or {}
    with work.catalog.session() as conn:
        return [
            name
            for name, node in work.seeds().items()
            if loaded.get(name) != node["checksum"]["checksum"]
            or conn.execute(
                "select to_regclass(%s) is null", [f"{quoted(node['schema'])}.{quoted(node['alias'])}"]
            ).fetchone()
            == (True,)
        ]


def report_refreshes(work: Work, step: Step) -> None:
    """Say what `dbt run` brought up to date of what is stored."""
    ran = work.ran.get("deploy")
    if ran is None or not (ran.success or ran.results):
        return
    work.look_at_refreshes()
    stored = [one for one in ran.results if one.is_stored]
    if not stored:
        # after a failed deploy views may read on what an earlier one stored
        if ran.success:
            step.status, step.sentence = "skipped", "nothing is stored: every dataset reads live"
        return
    done = work.refreshes.done
    behind = [one for one in stored if one.name not in done]
    step.status = "failed" if behind else "ok"
    step.sentence = (
        f"{len(stored) - len(behind)} of {len(stored)} stored models brought up to date, "
        f"which took {sum(one.seconds for one in stored):.1f} s of the deploy: {in_words(done.values())}"
    )
    step.details = [_refresh_in_words(work, one) for one in stored]


def _refresh_in_words(work: Work, model: Result) -> str:
    done = work.refreshes.done.get(model.name)
    if done is None:
        last = work.refreshes.last_times.get(model.name)
        state = f"shows the state of {moment(last)}" if last else "has no rows yet"
        return f"{model.name}: not brought up to date, {state}"
    how = f"{in_words([done])}, {model.seconds:.1f} s"
    if done.since is None:
        return f"{model.name}: filled for the first time, {how}"
    if done.is_whole:
        return f"{model.name}: recomputed as a whole, {how}"
    changed = ", ".join(f"{name} {count:,}" for name, count in done.changed_rows.items())
    return f"{model.name}: {how}; rows new or corrected since {moment(done.since)}: {changed}"
