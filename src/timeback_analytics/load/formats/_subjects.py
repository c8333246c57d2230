"""Subjects by code and title, those of the database and new ones."""

from collections import defaultdict

from timeback_analytics.load.database import Database
from timeback_analytics.load.identifiers import derived_id


class Subjects:
    """The subjects of the database and new ones.

    Attributes:
        new: rows of cf_subject that the database does not have, by id.
    """

    def __init__(self, database: Database) -> None:
        self.new: dict[str, tuple[str, str, str]] = {}
        self._by_code: dict[str, list[str]] = defaultdict(list)
        self._by_title: dict[str, list[str]] = defaultdict(list)
        stored = database.rows("cf_subject", ("identifier", "title", "hierarchy_code"))
        # a framework's own subject comes before one that a roster brought, then the lowest id
        for subject_id, title, code in sorted(stored, key=lambda row: (self._is_from_roster(*row), row)):
            self._by_code[code].append(subject_id)
            self._by_title[_folded(title)].append(subject_id)

    @staticmethod
    def _is_from_roster(subject_id: str, title: str, code: str) -> bool:
        return subject_id in (
            _own_id("code", code),
            _own_id("title", _folded(title)),
        )

    def find(self, name: str | None, code: str | None) -> str:
        """The subject with the code and the title, else the code, else the title, else a new one."""
        by_code = self._by_code.get(code, []) if code else []
        by_title = self._by_title.get(_folded(name), []) if name else []
        both = [subject_id for subject_id in by_code if subject_id in by_title]
        found = next(iter(both or by_code or by_title), None)
        if found:
            return found
        subject_id = _own_id(*(("code", code) if code else ("title", _folded(name))))
        self.new.setdefault(subject_id, (subject_id, name or code, code or name))
        return subject_id


def _folded(title: str) -> str:
    return " ".join(title.split()).casefold()


def _own_id(*parts: str) -> str:
    # rosters were the first to bring subjects without ids
    return derived_id("oneroster/subject", *parts)
