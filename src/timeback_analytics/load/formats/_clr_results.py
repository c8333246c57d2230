"""Results of achievements, as fractions where they are some."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from timeback_analytics.load.formats._lenient import number
from timeback_analytics.load.formats._linked_data import term

# Types of results whose values are not amounts, even if they look like numbers.
_WORDS = ("LetterGrade", "PerformanceLevel", "RubricCriterion", "RubricCriterionLevel", "Status")
_DIGITS = Decimal("0.000001")


def fraction(results: Any, descriptions: Any) -> tuple[str | None, str | None]:
    """The first result that is a fraction of what could be reached, and else why none is.

    A percentage is one, so is a value between the valueMin and valueMax of its description, and a number from
    0 to 1 without a maximum.

    Args:
        results: `result` of a subject.
        descriptions: `resultDescription` of the achievement.

    Returns:
        (fraction, None), (None, reason), or where there is no result (None, None).
    """
    described = {one["id"]: one for one in _objects(descriptions) if isinstance(one.get("id"), str)}
    reason = None
    for result in _objects(results):
        kinds = result.get("type")
        if kinds is not None and "Result" not in map(term, kinds if isinstance(kinds, list) else [kinds]):
            reason = reason or "results of a type that the standard does not have"
            continue
        found, why = _of_one(result, described.get(result.get("resultDescription"), {}))
        if found is not None:
            return found, None
        reason = reason or why
    return None, reason


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield one


def _of_one(result: dict[str, Any], description: dict[str, Any]) -> tuple[str | None, str | None]:
    kind = term(description.get("resultType")) or ""
    value = result.get("value")
    if kind in _WORDS or value is None:
        return None, "results in letters, levels or words"
    is_percent = kind == "Percent"
    if isinstance(value, str) and value.strip().endswith("%"):
        is_percent, value = True, value.strip()[:-1]
    text = number(value)
    if text is None:
        return None, "results in letters, levels or words"
    amount = Decimal(text)
    lowest, highest = (number(description.get(name)) for name in ("valueMin", "valueMax"))
    if is_percent:
        found = amount / 100
    elif highest is not None:
        start = Decimal(lowest or 0)
        if Decimal(highest) <= start:
            return None, "results whose maximum is not above their minimum"
        found = (amount - start) / (Decimal(highest) - start)
    elif 0 <= amount <= 1:
        found = amount
    else:
        return None, "results without a maximum"
    if not 0 <= found <= 1:
        return None, "results below their minimum or above their maximum"
    return str(found.quantize(_DIGITS).normalize() + 0), None
