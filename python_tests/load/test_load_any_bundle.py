"""Any sound bundle: what is written is what was meant, and the second time there is nothing to do."""

import csv
import io
import re
import shutil
import string
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_helpers import contents
from roster_bundles import Bundle, Rows, columns, csv_bytes, row_id, written, zipped

from timeback_analytics.load import load

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\x1a"), max_size=20)
words = st.text(string.ascii_letters + string.digits + ".-_/@", min_size=1, max_size=12)
sourced_ids = st.one_of(words, st.uuids().map(str), st.uuids().map(lambda value: str(value).upper()))
dates = st.one_of(st.just(""), st.dates().map(str))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.one_of(
    st.just(""),
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28), timezones=zones).map(
        lambda moment: moment.isoformat(timespec="milliseconds")
    ),
)
statuses = st.sampled_from(["", "active", "inactive", "tobedeleted"])
grades = st.sampled_from(["01", "02", "1", "01,02", "", "99"])


def unique_ids(least: int) -> st.SearchStrategy[list[str]]:
    return st.lists(sourced_ids, min_size=least, max_size=4, unique_by=str.lower)


def drawn_records(draw: st.DrawFn, ids: list[str], **values: st.SearchStrategy[str]) -> Rows:
    """A record of each id, with its own values and with those that every record has."""
    common = {"status": statuses, "dateLastModified": instants}
    return [
        {"sourcedId": sourced_id, **{name: draw(value) for name, value in (common | values).items()}}
        for sourced_id in ids
    ]


@st.composite
def bundles(draw: st.DrawFn, version: str) -> Bundle:
    """Organizations, users, roles, courses, classes and enrollments that refer to each other."""
    orgs, users, courses, classes = (draw(unique_ids(1)) for _ in range(4))
    records = partial(drawn_records, draw)
    org, user, course, class_ = (st.sampled_from(ids) for ids in (orgs, users, courses, classes))
    filled = texts.filter(lambda text: text.strip(" \t\n\r\f\v"))
    role = st.sampled_from(["student", "teacher", "parent", "ext:mentor"])
    bundle: Bundle = {
        "orgs": records(
            orgs,
            name=filled,
            type=st.sampled_from(["school", "district", "ext:campus"]),
            identifier=texts,
            parentSourcedId=st.one_of(st.just(""), org),
        ),
        "courses": records(courses, title=filled, courseCode=texts, orgSourcedId=org),
        "users": records(
            users,
            enabledUser=st.sampled_from(["true", "false"]),
            username=texts,
            givenName=texts,
            familyName=texts,
            **(
                {"role": role, "orgSourcedIds": st.lists(org, min_size=1).map(",".join)}
                if version == "1.1"
                else {}
            ),
        ),
        "classes": records(
            classes,
            title=filled,
            classCode=texts,
            classType=st.sampled_from(["homeroom", "scheduled"]),
            courseSourcedId=course,
            schoolSourcedId=org,
            grades=grades,
            subjects=st.sampled_from(["", "Art", "Art,Science", "\u00c4sthetik"]),
        ),
        "enrollments": records(
            draw(unique_ids(0)),
            userSourcedId=user,
            classSourcedId=class_,
            schoolSourcedId=org,
            role=role,
            primary=st.sampled_from(["", "true", "false"]),
            beginDate=dates,
            endDate=dates,
        ),
    }
    if version == "1.2":
        bundle["roles"] = records(
            draw(unique_ids(1)),
            userSourcedId=user,
            orgSourcedId=org,
            role=role,
            roleType=st.sampled_from(["primary", "secondary"]),
            beginDate=dates,
            endDate=dates,
        )
    return bundle


def rewritten(data: bytes, order: Any, line_end: str, has_bom: bool, quoting: Any) -> bytes:
    """The same CSV with columns in another order, other line ends, quotation marks, a byte order mark."""
    reader = csv.DictReader(io.StringIO(data.decode(), newline=""))
    header = list(reader.fieldnames)
    order.shuffle(header)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, lineterminator=line_end, quoting=quoting)
    writer.writeheader()
    writer.writerows(reader)
    return (b"\xef\xbb\xbf" if has_bom else b"") + text.getvalue().encode()


def blank_is(value: str, otherwise: str | None) -> str | None:
    return value if value.strip(" \t\n\r\f\v") else otherwise


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), version=st.sampled_from(["1.1", "1.2"]), order=st.randoms(use_true_random=False))
def test_round_trip(
    conn: psycopg.Connection, tmp_path: Path, data: st.DataObject, version: str, order: Any
) -> None:
    bundle = data.draw(bundles(version))
    line_end, quoting = data.draw(st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL)]))
    folder = tmp_path / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    written(folder, version, bundle)
    for file, records in bundle.items():
        plain = csv_bytes(columns(version, file), records)
        (folder / f"{file}.csv").write_bytes(
            rewritten(plain, order, line_end, data.draw(st.booleans()), quoting)
        )
    with conn.transaction(force_rollback=True):
        load("oneroster", folder, connection=conn)
        check(conn, version, bundle)
        before = contents(conn)
        assert load("oneroster", folder, connection=conn).changes == 0
        assert load("oneroster", zipped(folder), connection=conn).changes == 0
        assert contents(conn) == before


Value = Callable[[dict[str, str]], Any]


def rows(conn: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return sorted(conn.execute(query).fetchall())


def expected(records: Rows, *values: Value) -> list[tuple[Any, ...]]:
    return sorted(tuple(value(record) for value in values) for record in records)


def own(kind: str, column: str = "sourcedId") -> Value:
    """The row's id that a sourcedId becomes."""

    def value(record: dict[str, str]) -> uuid.UUID:
        text = record[column]
        # no other spelling of a UUID counts as one
        is_uuid = re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text)
        return uuid.UUID(text if is_uuid else row_id(kind, text))

    return value


def cell(column: str, otherwise: str = "-") -> Value:
    return lambda record: blank_is(record[column], otherwise)


def check(conn: psycopg.Connection, version: str, bundle: Bundle) -> None:
    """The tables hold what the bundle says, no more and no less."""
    check_records(conn, bundle)
    check_roles(conn, version, bundle)
    check_links_of_classes(conn, bundle["classes"])
    # the dates of the source where it has some
    for record in bundle["users"]:
        if record["dateLastModified"]:
            assert conn.execute(
                """select date_last_modified = %(at)s::timestamptz and date_created = %(at)s::timestamptz
                from one_roster_user where id = %(id)s""",
                {"at": record["dateLastModified"], "id": own("user")(record)},
            ).fetchone() == (True,)


def check_records(conn: psycopg.Connection, bundle: Bundle) -> None:
    """A row of each record that has a table of its own."""
    status = cell("status", "active")
    assert rows(
        conn, "select id, name, type, coalesce(identifier, '-'), status from one_roster_organization"
    ) == expected(bundle["orgs"], own("org"), cell("name"), cell("type"), cell("identifier"), status)
    assert rows(
        conn, "select id, given_name, family_name, coalesce(username, '-') from one_roster_user"
    ) == expected(
        bundle["users"], own("user"), cell("givenName", ""), cell("familyName", ""), cell("username")
    )
    assert rows(
        conn, "select id, title, coalesce(course_code, '-'), org_id from one_roster_course"
    ) == expected(
        bundle["courses"], own("course"), cell("title"), cell("courseCode"), own("org", "orgSourcedId")
    )
    assert rows(conn, "select id, title, course_id, school_id, status from one_roster_class") == expected(
        bundle["classes"],
        own("class"),
        cell("title"),
        own("course", "courseSourcedId"),
        own("org", "schoolSourcedId"),
        status,
    )
    assert rows(
        conn,
        """select id, user_id, class_id, role, coalesce("primary"::text, '-'),
        coalesce(begin_date::text, '-'), coalesce(end_date::text, '-'), status from one_roster_enrollment""",
    ) == expected(
        bundle["enrollments"],
        own("enrollment"),
        own("user", "userSourcedId"),
        own("class", "classSourcedId"),
        cell("role"),
        cell("primary"),
        cell("beginDate"),
        cell("endDate"),
        status,
    )


def check_roles(conn: psycopg.Connection, version: str, bundle: Bundle) -> None:
    """Of 1.2 those of its file, of 1.1 one in each organization of a user, the first of them primary."""
    if version == "1.2":
        assert rows(
            conn, "select id, user_id, org_id, role, role_type, status from one_roster_role"
        ) == expected(
            bundle["roles"],
            own("role"),
            own("user", "userSourcedId"),
            own("org", "orgSourcedId"),
            cell("role"),
            cell("roleType"),
            cell("status", "active"),
        )
    else:
        assert rows(conn, "select user_id, org_id, role, role_type from one_roster_role") == sorted(
            (
                own("user")(user),
                own("org", "o")({"o": org}),
                user["role"],
                "secondary" if number else "primary",
            )
            for user in bundle["users"]
            for number, org in enumerate(dict.fromkeys(user["orgSourcedIds"].split(",")))
        )


def check_links_of_classes(conn: psycopg.Connection, classes: Rows) -> None:
    """Every link to a grade and to a subject once."""
    levels = {"01": ["01"], "02": ["02"], "1": ["01"], "01,02": ["01", "02"], "": [], "99": []}
    assert rows(
        conn,
        """select class_id, grade_primary_identifier from one_roster_class_grade
        join placement_grade on id = placement_grade_id""",
    ) == sorted((own("class")(record), code) for record in classes for code in levels[record["grades"]])
    assert rows(
        conn,
        "select class_id, title from one_roster_class_subject join cf_subject on identifier = subject_id",
    ) == sorted(
        (own("class")(record), name)
        for record in classes
        for name in filter(None, record["subjects"].split(","))
    )
