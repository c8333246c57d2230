"""Caliper events, versions 1.1 and 1.2, with TimeBack's own profile."""

from collections import Counter
from pathlib import Path

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._caliper_events import read_record
from timeback_analytics.load.formats._fact_merge import TABLES
from timeback_analytics.load.formats._fact_spool import Spool
from timeback_analytics.load.formats._fact_tables import finish
from timeback_analytics.load.formats._json_records import read_records
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.tables import Reading


class Caliper:
    """The format `caliper`."""

    name = "caliper"
    description = "Caliper events 1.1 and 1.2, with TimeBack's profile"
    accepts = "JSON lines, envelopes, arrays, the event API's pages, also in gzip; or a folder of them"
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
        kinds: Counter[str | None] = Counter()
        for record in read_records(path, ("data", "events"), problems, progress):
            kinds[read_record(record, spool, counts, problems)] += 1
        if problems.is_hopeless:
            return Reading(self.description)

        def what(events: int, deleted: int) -> str:
            gone = f", {deleted:,} deleted ones" if deleted else ""
            entities = f", {kinds['entity']:,} entities" if kinds["entity"] else ""
            return f"Caliper: {events:,} events{gone}{entities}"

        return finish(spool, database, counts, progress, options.source, what)


FORMAT = Caliper()
