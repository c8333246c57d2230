"""Experience points: entries of the ledger, each for one Caliper event."""

from datetime import datetime, timedelta
from uuid import UUID

from timeback_analytics.demo.ids import share, uid
from timeback_analytics.demo.rows import OperationalRows


def add_points(
    rows: OperationalRows, student_id: UUID, app_id: UUID, event_id: str, earned_at: datetime, value: float
) -> None:
    """Add the points of an event, and now and then the correction that takes them back the next day."""
    entries = [("earned", value, earned_at)]
    if share("correction", event_id) < 0.01:
        entries.append(("correction", -value, earned_at + timedelta(days=1)))
    for kind, points, generated_at in entries:
        rows.add(
            "tb_xp_ledger",
            id=uid("points", kind, event_id),
            user_id=student_id,
            application_id=app_id,
            source_event_id=event_id,
            value=points,
            date_generated=generated_at,
            # written by a queue, and late on a busy day
            date_created=generated_at + timedelta(seconds=round(2 + 300 * share("queue", event_id) ** 8, 3)),
        )
