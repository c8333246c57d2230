"""What is observed in sessions: insights and their reviews, journals, and the coaching that follows.

Waste comes from the Moodle log where the log shows it; everything else is made up, by chance that is fixed.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from timeback_analytics.demo.calendar import at
from timeback_analytics.demo.ids import between, pick, share, uid
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.sessions import Finding, Session
from timeback_analytics.demo.source_files import demo_dir, read_yaml

_RESULTS = ("TruePositive", "TruePositive", "TruePositive", "FalsePositive", "FalsePositive", "Inconclusive")
_JOURNAL = "Journal"


def insight_type_id(slug: str) -> UUID:
    """The id of an insight type of the demo."""
    return uid("insight type", slug)


def add_insights(rows: OperationalRows, sessions: Sequence[Session]) -> None:
    """Add the types and, for the sessions, what was observed, reviewed, written and recommended."""
    types = read_yaml(demo_dir() / "handmade" / "insight_types.yml")
    for insight_type in types:
        rows.add(
            "insights_type",
            id=insight_type_id(insight_type["slug"]),
            slug=insight_type["slug"],
            category=insight_type["category"],
            visibility=insight_type["visibility"],
            is_waste=insight_type["is_waste"],
        )
        if "review" in insight_type:
            rows.add(
                "insights_config",
                insight_type_id=insight_type_id(insight_type["slug"]),
                requires_review=insight_type["review"],
            )
    writer = _Writer(rows, types)
    for session in sessions:
        writer.add_session(session)


class _Writer:
    def __init__(self, rows: OperationalRows, types: list[dict[str, Any]]) -> None:
        self._rows = rows
        self._reasons = {one["slug"]: one["reasons"] for one in types if "reasons" in one}
        self._reviewed = {one["slug"] for one in types if one.get("review")}
        self._by_category: dict[str, list[str]] = {}
        for one in types:
            if "reasons" in one:
                self._by_category.setdefault(one["category"], []).append(one["slug"])
        self._journals = read_yaml(demo_dir() / "handmade" / "journals.yml")
        self._recommendations = read_yaml(demo_dir() / "handmade" / "recommendations.yml")

    def add_session(self, session: Session) -> None:
        # not every client reports to the insights system
        if not session.findings and share("observed", session.id) < 0.2:
            return
        insights_session_id = uid("insights session", session.id)
        is_proctored = session.is_test and share("proctored", session.id) < 0.6
        webcam = share("webcam", session.id)
        self._rows.add(
            "insights_session",
            id=insights_session_id,
            caliper_session_id=session.id,
            user_id=session.student_id,
            application_id=session.app_id,
            webcam_enabled=(webcam < 0.9) if is_proctored else (None if webcam < 0.1 else webcam < 0.3),
            is_proctored=is_proctored,
            date_last_modified=session.ended_at,
        )
        findings = [*session.findings, *self._made_up(session, is_proctored)]
        for number, finding in enumerate(findings):
            self._add_insight(insights_session_id, number, finding)
        waste = sum((found.ended_at - found.started_at for found in findings), timedelta())
        if findings and share("recommended", session.id) < 0.35:
            self._add_recommendation(session, int(waste.total_seconds() // 60))

    def _made_up(self, session: Session, is_proctored: bool) -> Iterator[Finding]:
        chances = [("Engagement", 0.3)]
        if is_proctored:
            chances.append(("Proctoring", 0.4))
        if session.is_test:
            chances.append(("Cheating", 0.12))
        length = int((session.ended_at - session.started_at).total_seconds())
        for category, chance in chances:
            for number in range(3):
                key = (category, number, session.id)
                if length < 10 or share("happens", *key) >= chance:
                    break
                slug = pick(self._by_category[category], "slug", *key)
                started_at = session.started_at + timedelta(seconds=between(0, length - 5, "start", *key))
                seconds = min(between(3, 240, "length", *key), length)
                # some seen by a camera, to the millisecond
                milliseconds = between(0, 999, "milliseconds", *key)
                ended_at = started_at + timedelta(seconds=seconds, milliseconds=milliseconds)
                yield Finding(slug, started_at, ended_at, pick(self._reasons[slug], "reason", *key))
        if share("journal", session.id) < 0.12:
            yield Finding(
                _JOURNAL, session.ended_at, session.ended_at, pick(self._journals, "journal text", session.id)
            )

    def _add_insight(self, insights_session_id: UUID, number: int, finding: Finding) -> None:
        insight_id = uid("insight", insights_session_id, number)
        self._rows.add(
            "insights_insight",
            id=insight_id,
            session_id=insights_session_id,
            insight_type_id=insight_type_id(finding.slug),
            started_at_time=finding.started_at,
            ended_at_time=finding.ended_at,
            reason=finding.reason,
            is_visible=share("visible", insight_id) < 0.95,
            date_last_modified=finding.ended_at,
        )
        if finding.slug not in self._reviewed or share("reviewed", insight_id) < 0.15:
            return
        # a second opinion, now and then
        for opinion in range(1 if share("second", insight_id) < 0.9 else 2):
            self._rows.add(
                "insights_review",
                id=uid("review", insight_id, opinion),
                insight_id=insight_id,
                result=pick(_RESULTS, "result", insight_id, opinion),
                reviewed_at=finding.ended_at
                + timedelta(hours=between(2, 40, "review", insight_id) + 24 * opinion),
            )

    def _add_recommendation(self, session: Session, minutes: int) -> None:
        key = uid("recommendation", session.id)
        text = pick(self._recommendations, "text", key)
        generated_at = at(session.started_at.date() + timedelta(days=1), 6, between(0, 59, "generated", key))
        is_delivered = text["audience"] == "student" and share("delivered", key) < 0.8
        delivered_at = (
            generated_at + timedelta(minutes=between(40, 300, "seen", key)) if is_delivered else None
        )
        drawn = share("feedback", key) if is_delivered else 1
        sentiment = "POSITIVE" if drawn < 0.3 else "NEGATIVE" if drawn < 0.4 else None
        self._rows.add(
            "insights_recommendation",
            id=key,
            user_id=session.student_id,
            type=text["type"],
            source=text["source"],
            source_reference_id=f"exec_{key.hex[:10].upper()}" if text["source"] == "vault-agent" else None,
            title=text["title"],
            visibility=text["audience"],
            content=text["content"].replace("{minutes}", str(minutes)),
            generated_at=generated_at,
            delivered_at=delivered_at,
            feedback_sentiment=sentiment,
            feedback_text="ok thanks" if drawn < 0.05 else None,
            feedback_at=delivered_at + timedelta(minutes=5) if sentiment and delivered_at else None,
        )
