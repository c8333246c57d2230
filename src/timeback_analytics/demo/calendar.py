"""When things happen in the demo: the sources' own dates, moved to one school year."""

from datetime import UTC, date, datetime, timedelta

# The school year of the OneRoster bundles.
YEAR_BEGIN = date(2025, 8, 15)
SECOND_SEMESTER = date(2026, 1, 12)

# Moodle's first Monday, 2019-09-09, becomes 2025-09-08: whole weeks, so that a weekday stays one.
_MOODLE_SHIFT = timedelta(weeks=313)

# What the rosters were recorded with.
RECORDED = datetime(2025, 8, 1, 6, tzinfo=UTC)


def moodle_time(text: str) -> datetime:
    """A time of the Moodle log, which names no zone and is taken as UTC, in the demo's school year."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) + _MOODLE_SHIFT


def at(day: date, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """A time of a day, UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
