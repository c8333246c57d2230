"""Operational rows that try to break the datasets: everything the database's own constraints let through.

A seed makes an example. The pools of ids are small, so that rows collide, tie and point to nothing; dates lie
around today and moments around midnight; texts are blank in every way, or look like SQL. What a valid path
needs (a current membership, an isPartOf between a unit and a course, a confirmed insight) is weighted, so
that most datasets have rows in most examples.
"""

from __future__ import annotations

import random
from datetime import date
from uuid import UUID

from expectation.operational_contents import ContentTables
from expectation.operational_people import PeopleTables

from .rules import Row


def operational_rows(seed: int, today: date) -> dict[str, list[Row]]:
    """An example: table -> rows, of all 36 tables. The same seed and day give the same rows."""
    return _Example(random.Random(f"operational rows {seed}"), today).tables()


class _Example(PeopleTables, ContentTables):
    def tables(self) -> dict[str, list[Row]]:
        tables = {
            **self.people_tables(),
            **self.roster_tables(),
            **self.activity_tables(),
            **self.curriculum_tables(),
            **self.framework_tables(),
            **self.insight_tables(),
        }
        for table in tables:
            if self.chance.random() < 0.02:
                tables[table] = []
        return tables


def organizations_in(tables: dict[str, list[Row]]) -> list[UUID]:
    """Every organization that an example mentions in a role, with or without a row of its own, in order."""
    return sorted({role["org_id"] for role in tables["one_roster_role"]})


UNKNOWN_ORGANIZATION = UUID("ffffffff-ffff-4fff-8fff-ffffffffffff")
"""An organization that no example mentions."""
