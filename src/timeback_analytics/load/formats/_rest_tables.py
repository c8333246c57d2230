"""OneRoster over REST: what a CSV bundle has no file for. Results, course components, roles that ended."""

from collections.abc import Mapping
from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.formats._json_records import Record
from timeback_analytics.load.formats._lenient import as_datetime, instant, number, whole
from timeback_analytics.load.formats._rest_collections import day, moment, ref, text
from timeback_analytics.load.identifiers import derived_id, identify, scoped
from timeback_analytics.load.options import Options
from timeback_analytics.load.problems import MalformedError, Problems
from timeback_analytics.load.tables import Owners, TableRows

Found = Mapping[str, tuple[str, Record, dict[str, Any]]]
TABLES = {
    "one_roster_assessment_result": (
        *("id", "status", "date_last_modified", "student_id", "assessment_line_item_id", "score_status"),
        *("score", "score_date", "report_url", "date_created"),
    ),
    "caliper_assignable_digital_resource": ("id", "name", "media_type"),
    "caliper_resource_relation": ("source_id", "destination_id", "relationship_type", "item_order"),
}
_STATUSES = ("active", "inactive", "tobedeleted")
_REPORTS = ("reportUrl", "reportURL", "report_url", "report")


def row_id(kind: str, sourced_id: str, source: str) -> str:
    """The id of the row for a sourcedId, as a CSV bundle of the same source has it."""
    return identify(f"{scoped('oneroster', source)}/{kind}", sourced_id.strip())


def role_id(user: str, org: str, role: str, source: str) -> str:
    """The id of a role, which has no sourcedId: that of the same role out of a bundle of version 1.1."""
    return derived_id("oneroster/role", row_id("user", user, source), row_id("org", org, source), role)


def ended_roles(
    users: Mapping[str, dict[str, Any]], rows: TableRows, database: Database, source: str
) -> list[tuple[Any, ...]]:
    """Roles that an earlier load took from records of these users, and that the records say no more.

    Args:
        users: the records, by the id of the row.
        rows: the roles that the records say.
        database: what is stored.
        source: see Options.source.
    """
    said = {row[0] for row in rows.rows}
    columns = tuple(name for name in rows.columns if name != "date_last_modified")
    ended = []
    for stored in database.rows("one_roster_role", columns, "user_id", users):
        row = dict(zip(columns, stored, strict=True))
        derived = derived_id("oneroster/role", row["user_id"], row["org_id"], row["role"])
        if row["id"] != derived or row["id"] in said or row["end_date"] is not None:
            continue
        modified = moment(users[row["user_id"]].get("dateLastModified")) or None
        row |= {"status": "inactive", "end_date": day(modified) if modified else None}
        row["date_last_modified"] = modified
        if row["end_date"] is None:
            row["end_date"] = database.conn.execute("select current_date::text").fetchone()[0]
        ended.append(tuple(row[name] for name in rows.columns))
    return ended


def result_rows(
    found: Found, listed: set[str], database: Database, problems: Problems, options: Options
) -> list[TableRows]:
    """Results and assessment results; each needs a student who is listed or stored.

    Args:
        found: the records.
        listed: ids of the users that the answers list.
        database: what is stored.
        problems: where to note what is wrong.
        options: what the user said.
    """
    students = {
        name: row_id("user", ref(thing.get("student")), options.source)
        for name, (_, _, thing) in found.items()
    }
    known = listed | database.existing("one_roster_user", set(students.values()) - listed)
    rows = []
    for name, (modified, record, thing) in found.items():
        if students[name] not in known:
            reason = "there is no such user in the answers and the database has none."
            record.refuse(
                problems, reason, "Load the users too.", at="student", value=ref(thing.get("student"))
            )
            continue
        status = text(thing.get("status")) or "active"
        if status not in _STATUSES:
            record.refuse(
                problems, "this is not one of the values of the standard.", at="status", value=status
            )
            continue
        score = thing.get("score")
        if score not in (None, "") and number(score) is None:
            record.refuse(problems, "this is not a number.", at="score", value=text(score))
            continue
        try:
            dated = thing.get("scoreDate")
            score_date = as_datetime(instant(dated)[0]) if dated not in (None, "") else None
        except MalformedError as error:
            record.refuse(problems, error.reason, error.remedy, at="scoreDate", value=text(dated))
            continue
        line_item = ref(thing.get("assessmentLineItem") or thing.get("lineItem"))
        metadata = thing.get("metadata") if isinstance(thing.get("metadata"), dict) else {}
        report = next((metadata[key] for key in _REPORTS if isinstance(metadata.get(key), str)), None)
        rows.append(
            (
                row_id("result", name, options.source),
                *(status, modified or None, students[name]),
                row_id("lineItem", line_item, options.source) if line_item else None,
                text(thing.get("scoreStatus")) or None,
                number(score),
                score_date,
                report,
            )
        )
    return (
        [TableRows("one_roster_assessment_result", TABLES["one_roster_assessment_result"][:-1], rows)]
        if rows
        else []
    )


def component_rows(
    components: Found, resources: Found, courses: Found, database: Database, options: Options
) -> list[TableRows]:
    """Units, sections and lessons with their order, and the courses that they are of.

    A component is a unit of its course, or a section of another component; a resource of a component is a
    lesson. What is tobedeleted goes.
    """
    source = options.source
    things: dict[str, tuple[str | None, str | None]] = {}
    parts: dict[str, tuple[str, int | None]] = {}
    courses_taught = set()
    for name, (_, _, thing) in components.items():
        parent = ref(thing.get("parent") or thing.get("courseComponent"))
        course = ref(thing.get("course"))
        kind = "curriculum/section" if parent else "curriculum/unit"
        destination = row_id("component", parent, source) if parent else row_id("course", course, source)
        part = row_id("component", name, source)
        _put(things, parts, part, thing, kind, destination if parent or course else "")
        if course:
            courses_taught.add(course)
    for name, (_, _, thing) in resources.items():
        parent = ref(thing.get("courseComponent"))
        part = row_id("componentResource", name, source)
        _put(
            things,
            parts,
            part,
            thing,
            "curriculum/lesson",
            row_id("component", parent, source) if parent else "",
        )
    # a course is known to the curriculum under the id that the roster has
    titles = {row_id("course", name, source): text(found[2].get("title")) for name, found in courses.items()}
    taught = {row_id("course", course, source) for course in courses_taught}
    titles |= dict(database.rows("one_roster_course", ("id", "title"), "id", taught - set(titles)))
    things |= {course: (titles[course] or None, "curriculum/course") for course in taught & set(titles)}
    if not things:
        return []
    rows = [(name, *told) for name, told in things.items()]
    relations = [(part, whole_id, "isPartOf", place) for part, (whole_id, place) in parts.items()]
    owners = [name for name, (_, kind) in things.items() if kind != "curriculum/course"]
    resource, relation = "caliper_assignable_digital_resource", "caliper_resource_relation"
    return [
        TableRows(resource, TABLES[resource], rows, tombstone="media_type"),
        TableRows(
            *(relation, TABLES[relation], relations, TABLES[relation], "set"),
            owners=Owners("source_id", owners),
        ),
    ]


def _put(
    things: dict[str, tuple[str | None, str | None]],
    parts: dict[str, tuple[str, int | None]],
    part: str,
    thing: dict[str, Any],
    kind: str,
    destination: str,
) -> None:
    if text(thing.get("status")) == "tobedeleted":
        things[part] = None, None
        return
    things[part] = text(thing.get("title")) or None, kind
    if destination:
        parts[part] = destination, whole(thing.get("sortOrder"))
