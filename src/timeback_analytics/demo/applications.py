"""The applications of the platform, their subjects and the CASE documents that they teach."""

from uuid import UUID

import psycopg
from psycopg import sql

from timeback_analytics.demo.ids import uid
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.source_files import demo_dir, read_yaml


def app_id(name: str) -> UUID:
    """The id of an application of the demo."""
    return uid("application", name)


def add_applications(conn: psycopg.Connection, schema: str, rows: OperationalRows) -> None:
    """Add the applications; CASE packages must be in the schema already.

    Raises:
        ValueError: an application names a CASE document that was not loaded.
    """
    documents: dict[str, str] = dict(
        conn.execute(
            sql.SQL("select title, identifier from {}").format(sql.Identifier(schema, "cf_document"))
        ).fetchall()
    )
    for application in read_yaml(demo_dir() / "handmade" / "applications.yml"):
        this_app = app_id(application["name"])
        rows.add(
            "lti_application", id=this_app, name=application["name"], application_type=application["type"]
        )
        for subject in application["subjects"]:
            rows.add("lti_application_subject", lti_application_id=this_app, subject_title=subject)
        for title in application["curricula"]:
            if title not in documents:
                raise ValueError(
                    f"applications.yml: {application['name']} teaches {title}, which no CASE package has"
                )
            rows.add(
                "lti_application_curriculum_scope",
                lti_application_id=this_app,
                cf_document_id=documents[title],
            )
