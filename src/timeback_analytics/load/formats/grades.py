"""Grade levels, out of a CSV file of CEDS codes: what the grades of classes and placements refer to."""

from pathlib import Path

from timeback_analytics.load.csv_file import CsvFile, Field
from timeback_analytics.load.database import Database
from timeback_analytics.load.identifiers import as_uuid, derived_id
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import LoadError, MalformedError, Problem, Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.source import open_file
from timeback_analytics.load.tables import Reading, TableRows
from timeback_analytics.load.values import as_text, as_word

_TABLE = "placement_grade"
_COLUMNS = ("id", "grade_primary_identifier", "label", "order_number")
_LARGEST_RANK = 2**31 - 1


def _as_rank(cell: str) -> int:
    word = as_word(cell)
    if not (word.isascii() and word.isdigit() and int(word) <= _LARGEST_RANK):
        raise MalformedError("this is not a rank, a whole number from 0.")
    return int(word)


def _as_id(cell: str) -> str:
    identifier = as_uuid(as_word(cell))
    if identifier is None:
        raise MalformedError("this is not a UUID.")
    return identifier


_FIELDS = (
    Field("Rank", _as_rank, header=True, filled=True),
    Field("Code", as_word, header=True, filled=True),
    Field("Title", as_text, header=True, filled=True),
    Field("UUID", _as_id),
)


class Grades:
    """The format `grades`."""

    name = "grades"
    description = "grade levels by CEDS code, as OpenSALT has them"
    accepts = "a CSV file with the columns Rank, Code, Title, and UUID where the levels have ids"
    whole = None
    options = frozenset()

    def __init__(self) -> None:
        self.tables = {_TABLE: _COLUMNS}

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        if not path.is_file():
            raise LoadError(str(path), [Problem(path.name, "there is no such file.")])
        stored = database.rows(_TABLE, _COLUMNS)
        lines: dict[tuple[str, object], int] = {}
        rows = []
        for record in CsvFile(open_file(path), path.name, _FIELDS, problems, progress):
            if not record.sound:
                continue
            rank, code, title = (record.values[name] for name in ("Rank", "Code", "Title"))
            grade_id = record.values.get("UUID") or derived_id("grade", code)
            for column, value in (("Rank", rank), ("Code", code), ("UUID", grade_id)):
                first = lines.setdefault((column, value), record.line)
                if first != record.line:
                    problems.add(
                        path.name,
                        f"line {first} has the same {column}.",
                        line=record.line,
                        column=column,
                        value=str(value),
                    )
            rows.append((grade_id, code, title, rank))
        ids = {row[0] for row in rows}
        for grade_id, code, _, rank in stored:
            if grade_id in ids:
                continue
            for column, value in (("Code", code), ("Rank", int(rank))):
                line = lines.get((column, value))
                if line:
                    problems.add(
                        path.name,
                        f"the grade level {grade_id} of the database has the same {column}.",
                        "Give the level that id, or take the other one out of the database first.",
                        line=line,
                        column=column,
                        value=str(value),
                    )
        return Reading(
            f"{len(rows):,} grade levels",
            [TableRows(_TABLE, _COLUMNS, rows, vacate={"order_number": "-t.order_number - 1"})],
        )


FORMAT = Grades()
