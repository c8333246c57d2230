"""OneRoster CSV bundles, versions 1.1 and 1.2: rosters and gradebook results."""

from pathlib import Path

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._oneroster_bundle import Bundle
from timeback_analytics.load.formats._oneroster_layout import ENTITIES
from timeback_analytics.load.formats._oneroster_manifest import KNOWN_FILES, MANIFEST, Manifest
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import Problems
from timeback_analytics.load.progress import Progress
from timeback_analytics.load.source import open_bundle
from timeback_analytics.load.tables import Reading


class OneRoster:
    """The format `oneroster`."""

    name = "oneroster"
    description = "OneRoster CSV bundle, version 1.1 or 1.2"
    accepts = f"a folder or a zip with {MANIFEST}, or without where --version says the version"
    whole = (
        "courses, classes, roles and enrollments of the bundle's organizations that bulk files do not list"
    )
    options = frozenset(["source", "encoding", "version"])

    def __init__(self) -> None:
        self.tables = {
            **{
                entity.table: ("id", "status", "date_created", "date_last_modified", *entity.columns)
                for entity in ENTITIES["1.2"]
                if entity.table
            },
            "one_roster_user_agent": (
                "id",
                "source_user_id",
                "agent_user_id",
                "relationship_type",
                "end_date",
                "status",
                "date_created",
                "date_last_modified",
            ),
            "one_roster_class_grade": ("class_id", "placement_grade_id"),
            "one_roster_class_subject": ("class_id", "subject_id"),
            "cf_subject": ("identifier", "title", "hierarchy_code"),
            "placement_grade": ("id", "grade_primary_identifier"),
        }

    def read(
        self, path: Path, database: Database, problems: Problems, progress: Progress, options: Options
    ) -> Reading:
        """See Format.read."""
        with open_bundle(path, MANIFEST, KNOWN_FILES) as files:
            manifest = Manifest(path, files, problems, progress, options)
            bundle = Bundle(manifest, database, problems, progress, options)
            for entity in manifest.entities:
                if manifest.modes[entity.file] != "absent":
                    bundle.read(entity)
        return bundle.finish()


FORMAT = OneRoster()
