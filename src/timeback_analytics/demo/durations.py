"""Durations as a Caliper client sends them."""

from datetime import timedelta

from timeback_analytics.demo.ids import share


def iso_duration(duration: timedelta, key: str) -> str | None:
    """An ISO 8601 duration in one of the notations that clients use; None for one in five, who send none.

    A negative time has no notation in ISO 8601 and is sent as clients with a naive clock do, with a sign.
    """
    drawn = share("duration", key)
    if drawn < 0.2:
        return None
    seconds = int(duration.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if drawn < 0.6:
        return f"{sign}PT{seconds}S"
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    if drawn < 0.95:
        return f"{sign}PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + f"{rest}S"
    milliseconds = int(drawn * 1e6) % 1000
    return f"{sign}PT{minutes + 60 * hours}M{rest}.{milliseconds:03d}S"
