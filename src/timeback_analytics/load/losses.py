"""What a load would end, remove or give away, and how much of that is too much."""

from collections.abc import Iterable
from dataclasses import dataclass

from timeback_analytics.load.problems import LoadError, Problem


@dataclass(frozen=True)
class Loss:
    """Rows that a load would end, remove or give to somebody else, with no record that says so of each.

    Attributes:
        table: their table.
        gone: how many.
        stored: of how many.
        what: what happens to them, to be read after the numbers: 'current enrollments would end'.
        kind: losses of one kind are one, with all their rows together.
        least: fewer rows than this are no reason to stop, since small schools have few.
        all_counts: whether the loss of everything is a reason, however few rows that is.
    """

    table: str
    gone: int
    stored: int
    what: str
    kind: str = ""
    least: int = 3
    all_counts: bool = False


def check_losses(what: str, losses: Iterable[Loss], limit: float) -> None:
    """Stop a load that loses too much.

    Args:
        what: names the thing to load.
        losses: what would be lost.
        limit: how much may be, in percent of the stored rows.

    Raises:
        LoadError: more would be; it says what.
    """
    by_kind: dict[str, list[Loss]] = {}
    for loss in losses:
        by_kind.setdefault(loss.kind or f"{loss.table} {loss.what}", []).append(loss)
    problems = []
    for alike in by_kind.values():
        gone, stored = sum(loss.gone for loss in alike), sum(loss.stored for loss in alike)
        matters = gone >= alike[0].least or (alike[0].all_counts and gone == stored)
        if matters and gone * 100 > limit * stored:
            problems += [
                Problem(loss.table, f"{loss.gone:,} of {loss.stored:,} {loss.what}.")
                for loss in alike
                if loss.gone
            ]
    if problems:
        hint = (
            f"Is it complete, and of the system that loaded these rows? A load may cost at most {limit:g}% "
            "of them. If this is what you want, allow more with --max-loss 100."
        )
        raise LoadError(what, problems, hint=hint)
