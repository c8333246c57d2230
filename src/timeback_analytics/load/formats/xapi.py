"""xAPI statements, as a learning record store exports them, into the tables of Caliper events."""

from collections import Counter
from pathlib import Path

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._fact_merge import TABLES
from timeback_analytics.load.formats._fact_spool import Spool
from timeback_analytics.load.formats._fact_tables import finish
from timeback_analytics.load.formats._json_records import read_records
from timeback_analytics.load.formats._xapi_statements import read_statement
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.tables import Reading


class Xapi:
    """The format `xapi`."""

    name = "xapi"
    description = "xAPI statements, 1.0 and 2.0"
    accepts = "JSON lines, arrays, the answers of a learning record store, also in gzip; or a folder of them"
    whole = None
    options = frozenset({"source"})

    def __init__(self) -> None:
        self.tables = TABLES

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        spool = Spool()
        counts: Counter[str] = Counter()
        for record in read_records(path, ("statements",), problems, progress, mark="verb"):
            read_statement(record, spool, counts, problems)
        if problems.is_hopeless:
            return Reading(self.description)

        def what(events: int, deleted: int) -> str:
            return f"xAPI: {events:,} statements" + (f", {deleted:,} voided ones" if deleted else "")

        return finish(spool, database, counts, progress, options.source, what)


FORMAT = Xapi()
