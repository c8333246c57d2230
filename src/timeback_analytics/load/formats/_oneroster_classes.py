"""Grades and subjects of classes: from the codes and names of classes.csv to the rows that they mean."""

from collections import defaultdict
from collections.abc import Mapping

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._oneroster_layout import own_id
from timeback_analytics.load.problems import shown
from timeback_analytics.load.tables import Owners, TableRows

# The name and the code of a subject, of which one may be missing.
Subject = tuple[str | None, str | None]


def grades_of(
    classes: Mapping[str, tuple[int, list[str]]], database: Database
) -> tuple[TableRows, str | None]:
    """The grade levels of classes, and a note on those that are not known.

    Args:
        classes: line and grade codes of each class.
        database: what is stored.
    """
    stored = database.rows("placement_grade", ("grade_primary_identifier", "id"))
    # of two levels with one code the one with the lowest id
    levels = dict(sorted(stored, reverse=True))
    rows = []
    unknown: dict[str, list[int]] = defaultdict(list)
    for class_id, (line, codes) in classes.items():
        # spreadsheets take the zero off 01
        ids = {code: levels.get(code) or levels.get(code.zfill(2)) for code in codes}
        rows += [(class_id, level_id) for level_id in dict.fromkeys(filter(None, ids.values()))]
        for code in (code for code, level_id in ids.items() if level_id is None):
            unknown[code].append(line)
    note = None
    if unknown:
        found = ", ".join(
            f"{shown(code)} (line {lines[0]}{f' and {len(lines) - 1:,} more' if lines[1:] else ''})"
            for code, lines in unknown.items()
        )
        note = (
            f"grades of classes.csv that placement_grade does not have were left out: {found}. "
            "Load the grade levels (timeback load grades), then this again."
        )
    return _set("one_roster_class_grade", "placement_grade_id", rows, classes), note


def subjects_of(classes: Mapping[str, list[Subject]], database: Database) -> list[TableRows]:
    """The subjects of classes, and the new subjects among them."""
    subjects = _Subjects(database)
    rows = [
        (class_id, subject_id)
        for class_id, named in classes.items()
        for subject_id in dict.fromkeys(subjects.find(name, code) for name, code in named if name or code)
    ]
    columns = ("identifier", "title", "hierarchy_code")
    return [
        TableRows("cf_subject", columns, list(subjects.new.values()), key=("identifier",), mode="insert"),
        _set("one_roster_class_subject", "subject_id", rows, classes),
    ]


def _set(table: str, column: str, rows: list[tuple[str, str]], classes: Mapping[str, object]) -> TableRows:
    owners = Owners("class_id", list(classes), "one_roster_class")
    return TableRows(table, ("class_id", column), rows, key=("class_id", column), mode="set", owners=owners)


class _Subjects:
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
            own_id("subject", "code", code),
            own_id("subject", "title", _folded(title)),
        )

    def find(self, name: str | None, code: str | None) -> str:
        """The subject with the code and the title, else the code, else the title, else a new one."""
        by_code = self._by_code.get(code, []) if code else []
        by_title = self._by_title.get(_folded(name), []) if name else []
        both = [subject_id for subject_id in by_code if subject_id in by_title]
        found = next(iter(both or by_code or by_title), None)
        if found:
            return found
        subject_id = own_id("subject", *(("code", code) if code else ("title", _folded(name))))
        self.new.setdefault(subject_id, (subject_id, name or code, code or name))
        return subject_id


def _folded(title: str) -> str:
    return " ".join(title.split()).casefold()
