"""The values and ids that an example of operational rows is drawn from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from .rules import Row

TEXTS = (
    *("Ada", "Lovelace", "ada", "Grade 4, Section A", "Math", "Straße", "数学", "🦉🦉", "\u202eabc"),
    *("\u00c5ngstr\u00f6m", "A\u030angstro\u0308m"),  # the same to a reader, composed and decomposed
    *("O'Brien", '"quoted"', "back\\slash", "a,b", "{a,b}", "NULL", "null", "N/A", "%s %(id)s", "{{ this }}"),
    *("'; drop table one_roster_user; --", "1 or 1=1", "1", "first\nsecond", " padded ", "tab\tbed"),
    *("\u00a0", "\u200b"),  # a no-break space is not white space here, and neither is one without width
)
BLANKS = ("", " ", "\t", "\n", "\r", "\f", "\v", " \t\r\n\f\v ")
DURATIONS = (
    *"PT7M40S PT1.5S PT0.5S PT2.5S PT0.4999999999S PT0S PT90M PT36H P2W P1D P1W2DT3H4M5S P0.5D".split(),  # noqa: SIM905
    *"PT0.1H P1DT1S PT999999999S PT000000007S PT1.5M30S P0.5W1.25DT0.5H0.5M0.5S".split(),  # noqa: SIM905
)
"""Client durations that count."""
MALFORMED_DURATIONS = (
    *"40 00:07:40 P1Y P1M P1Y2M3DT4H P1MT5S pt5s Pt5S PT5s PT,5S PT1,5S P PT P1DT P2WT".split(),  # noqa: SIM905
    *"PT1234567890S PT0000000005S -PT5S +PT5S PT-5S PT+5S PT5 5S T5S PT5S5M PT5M5M P5S PT1D P1D2W".split(),  # noqa: SIM905
    *"PT1W PT1.S PT.5S PT1e3S PTNaNS PTInfinityS P0001-00-00T00:00:05 PT5S; PPT5S PTT5S PT5SPT5S".split(),  # noqa: SIM905
    *"PT1.5.5S PT0x5S PT1_000S PT99999999999999999999S".split(),  # noqa: SIM905
    *("", " ", "PT5S ", " PT5S", "PT5S\n", "PT5S\t", "PT 5S", "7 minutes"),
    *("PT\u0665S", "PT\uff15S"),  # digits, but not of ASCII
)
"""Client durations that count as absent."""

STATUSES = ("active",) * 8 + ("inactive", "tobedeleted")
ROLES = (
    *("student",) * 8,
    *("teacher",) * 3,
    *("principal",) * 2,
    "parent",
    "aide",
    "administrator",
    "Student",
)
DAYS = (-400, -30, -2, -1, 0, 1, 2, 30, 400)
CLOCK = tuple(
    time.fromisoformat(text)
    for text in (
        *("00:00", "00:00:00.000001", "00:00:00.500", "09:00", "09:00:00.400", "09:00:30", "09:00:30.500"),
        *("11:30", "13:00", "23:59:59.500", "23:59:59.999999"),
    )
)
OFFSETS = (0, 0.2, 0.4, 0.5, 1, 1.5, 2.5, 5, 10, 10.5, 20, 30, 30.5, 60)
"""Seconds after the start of a session at which insights start and end: few, so that they touch and nest."""

INSIGHT_TYPES = (
    ("Journal", "Journal"),
    ("CheatingUnauthorizedAppUse", "Cheating"),
    ("UnauthorizedAppUse", "Proctoring"),
    ("EyesOffScreen", "Engagement"),
    ("CheatingHelpFromAnotherPerson", "Cheating"),
    ("ProctoringUnauthorizedDeviceUse", "Proctoring"),
    ("TopicShopping", "Engagement"),
    ("journal", "Journal"),
    ("OtherJournal", "Journal"),
    ("cheatinglowercase", "cheating"),
    ("Unclassified", "Other"),
)
MEDIA_TYPES = (
    *("curriculum/course",) * 6,
    *("curriculum/subject",) * 5,
    *("curriculum/unit",) * 5,
    *("curriculum/lesson",) * 3,
    *("curriculum/topic", "curriculum/Course", "curriculum/course ", "", None),
)
MARKS = (None, Decimal(0), Decimal(1), Decimal("1.0"), Decimal("0.9999999999"), Decimal(2), Decimal(-1))
FRACTIONS = (
    *(
        None,
        Decimal(0),
        Decimal(1),
        Decimal("0.875"),
        Decimal("0.87505"),
        Decimal("0.333333"),
        Decimal("1.2"),
    ),
    *(Decimal("0.00005"), Decimal("-0.00005"), Decimal("0.00004999999999999999999"), Decimal("0.999999")),
)
POINTS = (*(Decimal(10),) * 3, Decimal(0), Decimal(-10), Decimal("2.5"), Decimal("0.1"), Decimal("-0.10"))


class Pools:
    """The pools of one example; drawing a value moves its generator on."""

    def __init__(self, chance: random.Random, today: date) -> None:
        self.chance = chance
        self.today = today
        self._made = 0
        self.people = self.uuids(4)
        self.people_and_unknown = [*self.people * 4, *self.uuids(1)]
        self.organizations = self.uuids(chance.choice((3, 4)))
        self.organizations_and_unknown = [*self.organizations * 4, *self.uuids(1)]
        self.classes = self.uuids(4)
        self.roster_courses = self.uuids(3)
        self.applications = self.uuids(3)
        self.subjects = self.uuids(4)
        self.grades = self.uuids(3)
        self.documents = self.uuids(3)
        self.items = self.uuids(4)
        self.achievements = self.uuids(4)
        self.insight_types = self.uuids(8)
        self.insights_sessions = self.uuids(5)
        self.insights = self.uuids(26)
        self.sessions = self.iris(5)
        self.attempts = self.iris(10)
        self.events = self.iris(12)
        self.questions = self.iris(4)
        self.tests = self.iris(3)
        # A curriculum course and a roster course may be one; upper case makes it another.
        roster_course = str(self.roster_courses[0])
        self.resources = [roster_course, str(self.roster_courses[1]).upper(), *self.iris(8)]
        if chance.random() < 0.2:
            # One id for things of two kinds.
            self.tests[0] = self.resources[2]
            self.questions[0] = self.tests[1]
        self.contents = [*self.questions * 3, *self.tests, *self.resources, *self.iris(1)]

    # -- values -----------------------------------------------------------------------------------

    def uuids(self, count: int) -> list[UUID]:
        """New ids; their order is random, and has nothing to do with the order of the rows."""
        made = []
        for _ in range(count):
            self._made += 1
            made.append(UUID(f"{self.chance.randrange(256):02x}000000-0000-4000-8000-{self._made:012x}"))
        return made

    def iris(self, count: int) -> list[str]:
        """New ids of Caliper entities: UUIDs, urns, URLs; a locale would sort them otherwise."""
        shapes = (
            "{0}",
            "urn:uuid:{0}",
            "https://app.example/{1}?a='1'&b=%20",
            "{2}",
            "_{1}",
            "B-{1}",
            "a-{1}",
            "ä-{1}",
        )
        made = []
        for uuid in self.uuids(count):
            made.append(
                self.chance.choice(shapes).format(uuid, uuid.hex[-3:] + uuid.hex[:2], str(uuid).upper())
            )
        return made

    def pick(self, options: Sequence[Any]) -> Any:
        return self.chance.choice(options)

    def maybe(self, share: float, value: Any) -> Any:
        """The value in that share of cases, else null."""
        return value if self.chance.random() < share else None

    def text(self) -> str:
        return self.pick(BLANKS) if self.chance.random() < 0.15 else self.pick(TEXTS)

    def date(self, *days: int) -> date | None:
        return self.maybe(0.8, self.today + timedelta(days=self.pick(days or DAYS)))

    def end_date(self) -> date | None:
        """Ongoing, about to end, ended today or earlier."""
        return self.maybe(0.55, self.today + timedelta(days=self.pick((-30, -1, 0, 0, 1, 1, 30))))

    def moment(self) -> datetime:
        day = self.today + timedelta(days=self.pick((-1, -1, 0, 0, 0, -30)))
        return datetime.combine(day, self.pick(CLOCK), UTC)

    def times(self) -> Row:
        return {"date_created": self.moment(), "date_last_modified": self.moment()}

    def period(self) -> tuple[datetime, datetime]:
        """Start and end of a session or an attempt: mostly in order, some without length, some backwards."""
        start = self.moment()
        return start, start + timedelta(
            seconds=self.pick((0, 0.4, 0.5, 1.5, 2.5, 30, 459.5, 90_000, -1, -0.4))
        )

    def rows(self, most: int, make: Callable[[], Row], least: int = 1) -> list[Row]:
        return [make() for _ in range(self.chance.randint(least, most))]

    def some(self, keys: Sequence[Any], make: Callable[[Any], Row]) -> list[Row]:
        """A row for most of the keys, in any order: the others stay dangling."""
        chosen = [key for key in keys if self.chance.random() < 0.85]
        self.chance.shuffle(chosen)
        return [make(key) for key in chosen]
