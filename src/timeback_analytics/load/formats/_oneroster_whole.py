"""What is stored of a bundle's organizations and the bundle does not list."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._oneroster_manifest import VERSIONS, Manifest
from timeback_analytics.load.formats._oneroster_people import ROLE_COLUMNS
from timeback_analytics.load.losses import Loss
from timeback_analytics.load.tables import TableRows

# By table, the column that says to which organization or class a row belongs, and the file that brings the
# rows in version 1.1 and 1.2: what a whole bundle says all of.
_BELONGING = {
    "one_roster_course": ("org_id", "courses", "courses"),
    "one_roster_class": ("school_id", "classes", "classes"),
    "one_roster_role": ("org_id", "users", "roles"),
    "one_roster_enrollment": ("class_id", "enrollments", "enrollments"),
}


def unlisted(
    manifest: Manifest, tables: Mapping[str, TableRows], orgs: Collection[str], database: Database
) -> tuple[list[TableRows], list[Loss], list[str]]:
    """Mark what bulk files do not list of the bundle's organizations as tobedeleted.

    Args:
        manifest: the bundle's.
        tables: its rows, by table.
        orgs: its organizations.
        database: what is stored.

    Returns:
        The rows of tables where something is gone, what that costs, and notes on it.
    """
    changed, losses, notes = [], [], []
    classes = dict(database.rows("one_roster_class", ("id", "status"), "school_id", orgs))
    for table, (column, *files) in _BELONGING.items():
        file = files[VERSIONS.index(manifest.version)]
        given = tables.get(table)
        # a users.csv of version 1.1 without records gives no roles at all
        if manifest.modes[file] != "bulk" or (given is None and table != "one_roster_role"):
            continue
        columns = given.columns if given else ROLE_COLUMNS
        listed = {row[0] for row in given.rows} if given else set()
        owners = classes if column == "class_id" else orgs
        stored = [
            dict(zip(columns, row, strict=True)) for row in database.rows(table, columns, column, owners)
        ]
        current = [row for row in stored if row["status"] != "tobedeleted"]
        gone = [
            tuple({**row, "status": "tobedeleted", "date_last_modified": None}.values())
            for row in current
            if row["id"] not in listed
        ]
        if gone:
            notes.append(f"{len(gone):,} rows of {table} that {file}.csv does not list become tobedeleted.")
            what = f"rows of its organizations would become tobedeleted, since {file}.csv does not list them"
            losses.append(Loss(table, len(gone), len(current), what, least=2, all_counts=True))
            whole = given or TableRows(table, columns, [])
            changed.append(replace(whole, rows=[*whole.rows, *gone]))
    return changed, losses, notes
