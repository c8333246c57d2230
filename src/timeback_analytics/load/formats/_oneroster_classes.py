"""Grades and subjects of classes: from the codes and names of classes.csv to the rows that they mean."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._ceds import ceds_codes
from timeback_analytics.load.formats._subjects import Subjects
from timeback_analytics.load.problems import shown
from timeback_analytics.load.tables import Owners, TableRows

# The name and the code of a subject, of which one may be missing.
Subject = tuple[str | None, str | None]
_SHOWN = 20


class ClassLinks:
    """What the classes of a bundle say of their grades and subjects.

    Attributes:
        notes: see Reading.notes; complete after rows().
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._grades: dict[str, tuple[int, list[str]]] = {}
        self._subjects: dict[str, list[Subject]] = {}
        self._without_codes: list[tuple[int, list[str | None], list[str | None]]] = []

    def add(self, class_id: str, line: int, values: Mapping[str, Any]) -> None:
        """Take what a record of classes.csv says; the values by column, where the file has the column."""
        if "grades" in values:
            self._grades[class_id] = line, values["grades"] or []
        names, codes = values.get("subjects") or [], values.get("subjectCodes") or []
        if names and codes and len(names) != len(codes):
            self._without_codes.append((line, names, codes))
            codes = []
        if "subjects" in values or "subjectCodes" in values:
            pairs = zip(names or [None] * len(codes), codes or [None] * len(names), strict=True)
            self._subjects[class_id] = list(pairs)

    def rows(self, database: Database) -> list[TableRows]:
        """The rows of every table that grades and subjects have, in the order in which to write them."""
        rows = []
        if self._grades:
            rows.append(self._grade_rows(database))
        if self._subjects:
            rows += self._subject_rows(database)
        if self._without_codes:
            line, names, codes = self._without_codes[0]
            self.notes.append(
                f"{len(self._without_codes):,} classes have another number of subjectCodes than of subjects; "
                f"their subjects were taken by name, without codes. The first is on line {line}: "
                f"{len(names)} subjects, {len(codes)} codes. A comma in a name separates it in two."
            )
        return rows

    def _grade_rows(self, database: Database) -> TableRows:
        """The grade levels of classes, with notes on those that are none and those that are not stored."""
        stored = database.rows("placement_grade", ("grade_primary_identifier", "id"))
        # of two levels with one code the one with the lowest id
        levels = dict(sorted(stored, reverse=True))
        rows = []
        missing: dict[str, list[int]] = defaultdict(list)
        foreign: dict[str, list[int]] = defaultdict(list)
        for class_id, (line, written) in self._grades.items():
            ids = []
            for text in written:
                # a catalog may have levels of its own
                codes = [text] if text in levels else ceds_codes(text)
                if not codes:
                    foreign[text].append(line)
                for code in codes:
                    if code in levels:
                        ids.append(levels[code])
                    else:
                        missing[code].append(line)
            rows += [(class_id, level_id) for level_id in dict.fromkeys(ids)]
        if foreign:
            self.notes.append(
                f"grades of classes.csv that are not CEDS codes were left out: {_counted(foreign)}. CEDS has "
                "IT, PR, PK, TK, KG, 01 to 13, and others; 00 may be any of them."
            )
        if missing:
            self.notes.append(
                "grades of classes.csv that placement_grade does not have were left out: "
                f"{_counted(missing)}. Load the grade levels (timeback load grades), then this again."
            )
        return _set("one_roster_class_grade", "placement_grade_id", rows, self._grades)

    def _subject_rows(self, database: Database) -> list[TableRows]:
        """The subjects of classes, and the new subjects among them."""
        subjects = Subjects(database)
        rows = [
            (class_id, subject_id)
            for class_id, named in self._subjects.items()
            for subject_id in dict.fromkeys(subjects.find(name, code) for name, code in named if name or code)
        ]
        columns = ("identifier", "title", "hierarchy_code")
        return [
            TableRows("cf_subject", columns, list(subjects.new.values()), key=("identifier",), mode="insert"),
            _set("one_roster_class_subject", "subject_id", rows, self._subjects),
        ]


def _counted(lines: Mapping[str, list[int]]) -> str:
    """Texts with the lines where they are, the first of each, and of many texts the first."""
    found = [
        f"{shown(text)} (line {places[0]}{f' and {len(places) - 1:,} more' if places[1:] else ''})"
        for text, places in list(lines.items())[:_SHOWN]
    ]
    more = len(lines) - len(found)
    return ", ".join(found) + (f" and {more:,} others" if more else "")


def _set(table: str, column: str, rows: list[tuple[str, str]], classes: Mapping[str, object]) -> TableRows:
    owners = Owners("class_id", list(classes), "one_roster_class")
    return TableRows(table, ("class_id", column), rows, key=("class_id", column), mode="set", owners=owners)
