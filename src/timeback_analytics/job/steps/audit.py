"""Whether the live catalog keeps the rules that the scope depends on, before the deploy and after it."""

from __future__ import annotations

from timeback_analytics.audit import RULES, Finding, find_breaches
from timeback_analytics.catalog.names import READER
from timeback_analytics.errors import TimebackError
from timeback_analytics.job.outcome import Step
from timeback_analytics.job.work import Work


def audit(work: Work) -> list[Finding]:
    """What breaks a rule in the live catalog.

    Raises:
        TimebackError: nothing is deployed yet, or this role may not look.
    """
    with work.catalog.session() as conn:
        return find_breaches(conn, work.manifest, work.options.schema)


def audit_catalog(work: Work, step: Step) -> None:
    """Audit what was deployed, and report what was broken before the deploy and repaired by it."""
    if not work.options.audit:
        step.status, step.sentence = "skipped", "left out by --no-audit"
        return
    try:
        found = audit(work)
    except TimebackError as error:
        step.status, step.sentence = "failed", str(error)
        return
    left = {_in_words(one) for one in found}
    mended = [one for one in work.broken_before if _in_words(one) not in left]
    step.details = sorted(left)
    step.warnings = [f"{_in_words(one)}: found before this deploy, which repaired it" for one in mended]
    # readers who cannot read, after a restore, say, are a pity and no danger
    work.security_events[:] = [
        said for one, said in zip(mended, step.warnings, strict=True) if one.rule != "readers"
    ]
    step.sentence = f"{len(RULES)} rules, {len(left)} broken"
    if mended:
        step.sentence += f"; {len(mended)} were broken before this deploy, which repaired them"
    if any(one.rule == "readers" and one.object == f"role {READER}" for one in found):
        step.sentence = f"nobody can read the catalog, since the role {READER} is missing; {step.sentence}"
    step.status = "failed" if left else "warning" if mended else "ok"


def note_what_is_broken(work: Work) -> None:
    """Record what somebody changed by hand since the last deploy, before this one repairs it."""
    try:
        work.broken_before[:] = audit(work) if work.options.audit else []
    except TimebackError:
        # the first deploy
        work.broken_before.clear()


def _in_words(one: Finding) -> str:
    return f"{one.rule}: {one.object} {one.finding}"
