"""OneRoster bundles: what becomes of each record, and that a second load changes nothing."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from load_helpers import contents, counts
from roster_bundles import VERSIONS, columns, csv_bytes, row_id, small_bundle, written, zipped

from timeback_analytics.load import Report, load


@pytest.mark.parametrize("version", VERSIONS)
def test_every_record_becomes_a_row(
    conn: psycopg.Connection, load_bundle: Callable[..., Report], version: str
) -> None:
    report = load_bundle(version, small_bundle(version))
    assert counts(report) == {
        "one_roster_organization": (2, 0, 0, 0, 0),
        "one_roster_course": (1, 0, 0, 0, 0),
        "one_roster_user": (3, 0, 0, 0, 0),
        "one_roster_role": (3, 0, 0, 0, 0),
        "one_roster_user_agent": (2, 0, 0, 0, 0),
        "one_roster_class": (1, 0, 0, 0, 0),
        "one_roster_class_grade": (2, 0, 0, 0, 0),
        "one_roster_class_subject": (1, 0, 0, 0, 0),
        "cf_subject": (1, 0, 0, 0, 0),
        "one_roster_enrollment": (2, 0, 0, 0, 0),
    }
    _check_people(conn)
    _check_classes(conn)


def _check_people(conn: psycopg.Connection) -> None:
    """The roles of the small bundle's people, and who is whose agent."""
    assert conn.execute(
        """
        select u.given_name, r.role, r.role_type, r.status, o.name, p.name
        from one_roster_role r
        join one_roster_user u on u.id = r.user_id
        join one_roster_organization o on o.id = r.org_id
        join one_roster_organization p on p.id = o.parent_id
        order by 1
        """
    ).fetchall() == [
        ("Ada", "student", "primary", "active", "School", "District"),
        ("George", "parent", "primary", "active", "School", "District"),
        ("Grace", "teacher", "primary", "active", "School", "District"),
    ]
    assert conn.execute(
        """
        select s.given_name, a.given_name, x.relationship_type, x.status, x.begin_date, x.end_date
        from one_roster_user_agent x
        join one_roster_user s on s.id = x.source_user_id
        join one_roster_user a on a.id = x.agent_user_id
        order by 2
        """
    ).fetchall() == [
        ("Ada", "George", "parent", "active", None, None),
        ("Ada", "Grace", "teacher", "active", None, None),
    ]


def _check_classes(conn: psycopg.Connection) -> None:
    """The small bundle's class with all that it refers to, and who is in it."""
    assert conn.execute(
        """
        select
            c.title, c.class_type, k.title, o.name,
            array_agg(g.grade_primary_identifier order by 1), min(s.title)
        from one_roster_class c
        join one_roster_course k on k.id = c.course_id
        join one_roster_organization o on o.id = c.school_id
        join one_roster_class_grade cg on cg.class_id = c.id
        join placement_grade g on g.id = cg.placement_grade_id
        join one_roster_class_subject cs on cs.class_id = c.id
        join cf_subject s on s.identifier = cs.subject_id
        group by 1, 2, 3, 4
        """
    ).fetchall() == [("Algebra 1", "scheduled", "Algebra", "School", ["01", "02"], "Mathematics")]
    assert conn.execute(
        'select u.given_name, e.role, e."primary", e.begin_date::text, e.status'
        " from one_roster_enrollment e join one_roster_user u on u.id = e.user_id order by 1"
    ).fetchall() == [
        ("Ada", "student", None, "2025-08-15", "active"),
        ("Grace", "teacher", True, None, "active"),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_second_load_changes_nothing(
    conn: psycopg.Connection, load_bundle: Callable[..., Report], version: str
) -> None:
    load_bundle(version, small_bundle(version))
    before = contents(conn)
    report = load_bundle(version, small_bundle(version))
    assert report.changes == 0
    assert {numbers[:2] + numbers[3:] for numbers in counts(report).values()} == {(0, 0, 0, 0)}
    assert contents(conn) == before


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("top", ["", "export 2025"])
def test_zip_is_as_good_as_the_folder(
    conn: psycopg.Connection, tmp_path: Path, version: str, top: str
) -> None:
    folder = written(tmp_path / "bundle", version, small_bundle(version))
    load("oneroster", folder, connection=conn)
    before = contents(conn)
    assert load("oneroster", zipped(folder, top), connection=conn).changes == 0
    assert contents(conn) == before


def test_dry_run_says_the_same_and_writes_nothing(conn: psycopg.Connection, tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", "1.1", small_bundle("1.1"))
    before = contents(conn)
    dry = load("oneroster", folder, connection=conn, dry_run=True)
    assert contents(conn) == before
    assert dry.dry_run
    assert dry.tables == load("oneroster", folder, connection=conn).tables


def test_bytes_as_exports_have_them(conn: psycopg.Connection, tmp_path: Path) -> None:
    """Byte order mark, LF, other columns in other order, quoted commas, quotes and line ends, Unicode."""
    bundle = small_bundle("1.1")
    bundle["orgs"][1]["name"] = 'Ørsted "Nord", 学校\n2nd line 😀'
    folder = written(tmp_path / "bundle", "1.1", bundle)
    for record in bundle["orgs"]:
        record["metadata.region"] = "north"
    header = ["metadata.region", *reversed(columns("1.1", "orgs"))]
    plain = csv_bytes(header, bundle["orgs"]).replace(b"\r\n", b"\n")
    (folder / "orgs.csv").write_bytes(b"\xef\xbb\xbf" + plain)
    load("oneroster", folder, connection=conn)
    assert conn.execute(
        "select name from one_roster_organization where id = %s", [row_id("org", "s1")]
    ).fetchone() == ('Ørsted "Nord", 学校\n2nd line 😀',)


def test_uuids_are_kept_and_other_ids_always_give_the_same(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    uuid = "1A2B3C4D-1111-4222-8333-444455556666"
    bundle = small_bundle("1.2")
    bundle["users"][0]["sourcedId"] = uuid
    bundle["roles"][0]["userSourcedId"] = uuid.lower()
    bundle["enrollments"][0]["userSourcedId"] = uuid.swapcase()
    load_bundle("1.2", bundle)
    ids = conn.execute("select id::text from one_roster_user order by given_name").fetchall()
    assert ids == [
        (uuid.lower(),),
        ("778e2557-492e-5472-afb2-6f967c6eb51d",),
        ("7c373ae9-915f-58a1-bbc1-a578817c44e1",),
    ]


def test_changed_record_updates_its_row_alone(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    bundle = small_bundle("1.1")
    bundle["users"][0]["dateLastModified"] = "2025-09-01T08:00:00Z"
    load_bundle("1.1", bundle)
    bundle["users"][0] |= {"familyName": "King", "dateLastModified": "2025-10-01T10:00:00+02:00"}
    # a bulk file need not say when
    bundle["orgs"][1] |= {"identifier": "4711"}
    report = load_bundle("1.1", bundle)
    found = counts(report)
    assert found["one_roster_user"] == (0, 1, 2, 0, 0)
    assert found["one_roster_organization"] == (0, 1, 1, 0, 0)
    assert conn.execute(
        """select family_name, date_created = '2025-09-01 08:00Z', date_last_modified = '2025-10-01 08:00Z'
        from one_roster_user where given_name = 'Ada'"""
    ).fetchone() == ("King", True, True)
    assert conn.execute(
        "select identifier from one_roster_organization where name = 'School'"
    ).fetchone() == ("4711",)


def test_column_that_the_file_lacks_is_left_alone(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = small_bundle("1.1")
    bundle["orgs"][1]["identifier"] = "4711"
    load("oneroster", written(tmp_path / "with", "1.1", bundle), connection=conn)
    folder = written(tmp_path / "without", "1.1", bundle)
    narrow = [{key: org[key] for key in ("sourcedId", "name", "type")} for org in bundle["orgs"]]
    narrow[1]["name"] = "Renamed"
    (folder / "orgs.csv").write_bytes(csv_bytes(["type", "sourcedId", "name"], narrow))
    load("oneroster", folder, connection=conn)
    assert conn.execute(
        "select name, identifier, parent_id::text from one_roster_organization where type = 'school'"
    ).fetchone() == ("Renamed", "4711", row_id("org", "d1"))


def test_older_record_of_a_delta_file_is_left_out(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    bundle = small_bundle("1.1")
    for records in bundle.values():
        for record in records:
            record |= {"status": "active", "dateLastModified": "2025-09-01T08:00:00Z"}
    load_bundle("1.1", bundle)
    delta = {"users": [dict(bundle["users"][0])], "classes": [dict(bundle["classes"][0])]}
    delta["users"][0] |= {"familyName": "Older", "dateLastModified": "2025-08-01T08:00:00Z"}
    delta["classes"][0] |= {"grades": "02", "subjects": "Art", "dateLastModified": "2025-08-01T08:00:00Z"}
    found = counts(load_bundle("1.1", delta, mode="delta"))
    assert found["one_roster_user"] == (0, 0, 0, 1, 0)
    assert found["one_roster_class_grade"] == (0, 0, 0, 1, 0)
    assert conn.execute("select family_name from one_roster_user where given_name = 'Ada'").fetchone() == (
        "Lovelace",
    )
    assert conn.execute("select count(*) from one_roster_class_grade").fetchone() == (2,)
    # the same in a bulk file is how things are
    load_bundle("1.1", bundle | delta)
    assert conn.execute("select family_name from one_roster_user where given_name = 'Ada'").fetchone() == (
        "Older",
    )
    assert conn.execute("select count(*) from one_roster_class_grade").fetchone() == (1,)


@pytest.mark.parametrize("version", VERSIONS)
def test_soft_delete_is_kept_as_one(
    conn: psycopg.Connection, load_bundle: Callable[..., Report], version: str
) -> None:
    load_bundle(version, small_bundle(version))
    bundle = small_bundle(version)
    deleted = {"status": "tobedeleted", "dateLastModified": "2030-01-01T00:00:00Z"}
    delta = {"enrollments": [bundle["enrollments"][0] | deleted], "users": [bundle["users"][0] | deleted]}
    if version == "1.2":
        delta["roles"] = [bundle["roles"][0] | deleted]
    load_bundle(version, delta, mode="delta")
    for table in ("one_roster_enrollment", "one_roster_user", "one_roster_role"):
        query = f"select status, count(*) from {table} group by 1 order by 1"
        statuses = dict(conn.execute(query).fetchall())
        assert statuses == {"active": 1 if table.endswith("enrollment") else 2, "tobedeleted": 1}, table
    # her relationships are hers to end
    assert conn.execute("select distinct status from one_roster_user_agent").fetchall() == [("tobedeleted",)]


def test_disabled_user_is_inactive_and_still_a_member(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    bundle = small_bundle("1.1")
    bundle["users"][0]["enabledUser"] = "FALSE"
    load_bundle("1.1", bundle)
    assert conn.execute(
        """select u.status, r.status from one_roster_user u join one_roster_role r on r.user_id = u.id
        where u.given_name = 'Ada'"""
    ).fetchone() == ("inactive", "active")


def test_blanks(conn: psycopg.Connection, load_bundle: Callable[..., Report]) -> None:
    bundle = small_bundle("1.1")
    bundle["users"][2] |= {"givenName": " ", "familyName": "", "username": "", "email": " "}
    load_bundle("1.1", bundle)
    assert conn.execute(
        "select given_name, family_name, username, email from one_roster_user where id = %s",
        [row_id("user", "byron")],
    ).fetchone() == ("", "", None, None)


def test_grades_and_subjects_are_what_the_class_says(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    bundle = small_bundle("1.1")
    bundle["classes"][0] |= {"grades": "1, 09", "subjects": "MATHEMATICS,Art", "subjectCodes": "M,A"}
    conn.execute(
        """insert into cf_subject (identifier, title, hierarchy_code) values
        ('ffffffff-0000-4000-8000-000000000001', 'Mathematics', '1'),
        ('ffffffff-0000-4000-8000-000000000002', 'Mathematics', 'M'),
        ('ffffffff-0000-4000-8000-000000000003', 'Algebra', 'M')"""
    )
    report = load_bundle("1.1", bundle)
    query = """select s.title, s.hierarchy_code from one_roster_class_subject c
        join cf_subject s on s.identifier = c.subject_id order by 1"""
    assert conn.execute(query).fetchall() == [("Art", "A"), ("Mathematics", "M")]
    assert conn.execute("select count(*) from one_roster_class_grade").fetchone() == (1,)
    assert [note for note in report.notes if "'09' (line 2)" in note]
    bundle["classes"][0] |= {"grades": "", "subjects": " art ", "subjectCodes": ""}
    found = counts(load_bundle("1.1", bundle))
    assert found["one_roster_class_grade"] == (0, 0, 0, 0, 1)
    assert found["one_roster_class_subject"] == (0, 0, 1, 0, 1)
    assert conn.execute(query).fetchall() == [("Art", "A")]
    assert conn.execute("select count(*) from one_roster_class_grade").fetchone() == (0,)


def test_subject_of_a_framework_comes_before_one_of_a_roster(
    conn: psycopg.Connection, load_bundle: Callable[..., Report]
) -> None:
    load_bundle("1.1", small_bundle("1.1"))
    conn.execute(
        """insert into cf_subject (identifier, title, hierarchy_code)
        values ('ffffffff-0000-4000-8000-000000000001', 'mathematics', '1')"""
    )
    load_bundle("1.1", small_bundle("1.1"))
    assert conn.execute("select subject_id::text from one_roster_class_subject").fetchall() == [
        ("ffffffff-0000-4000-8000-000000000001",)
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_results(conn: psycopg.Connection, load_bundle: Callable[..., Report], version: str) -> None:
    bundle = small_bundle(version)
    bundle["lineItems"] = [{"sourcedId": "l1", "title": "MAP", "classSourcedId": "k1"}]
    bundle["results"] = [
        {
            "sourcedId": "x1",
            "lineItemSourcedId": "l1",
            "studentSourcedId": "ada",
            "scoreStatus": "fully graded",
            "score": "87.50",
            "scoreDate": "2025-10-01",
        },
        {
            "sourcedId": "x2",
            "lineItemSourcedId": "l1",
            "studentSourcedId": "ada",
            "scoreStatus": "exempt",
            "scoreDate": "2025-10-02",
        },
    ]
    # midnight in UTC, whatever the session thinks
    conn.execute("set local timezone = 'Asia/Tokyo'")
    load_bundle(version, bundle)
    assert conn.execute(
        """select score_status, score::text, extract(epoch from score_date) %% 86400,
            assessment_line_item_id::text, report_url
        from one_roster_assessment_result order by id = %s""",
        [row_id("result", "x1")],
    ).fetchall() == [
        ("exempt", None, 0, row_id("lineItem", "l1"), None),
        ("fully graded", "87.50", 0, row_id("lineItem", "l1"), None),
    ]
    assert load_bundle(version, bundle).changes == 0


def test_addresses_may_change_hands(conn: psycopg.Connection, load_bundle: Callable[..., Report]) -> None:
    bundle = small_bundle("1.1")
    load_bundle("1.1", bundle)
    ada, grace = (user["email"] for user in bundle["users"][:2])
    bundle["users"][0]["email"], bundle["users"][1]["email"] = grace, ada.upper()
    load_bundle("1.1", bundle)
    assert conn.execute("select given_name, email from one_roster_user order by 1").fetchall() == [
        ("Ada", grace),
        ("George", None),
        ("Grace", ada.upper()),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_whole_bundle_deletes_what_it_does_not_list(
    conn: psycopg.Connection, tmp_path: Path, version: str
) -> None:
    bundle = small_bundle(version)
    bundle["orgs"].append({"sourcedId": "s2", "name": "Other school", "type": "school"})
    load("oneroster", written(tmp_path / "first", version, bundle), connection=conn)
    other = {"orgs": [{"sourcedId": "s3", "name": "Not its own", "type": "school"}]}
    other["courses"] = [{"sourcedId": "c9", "title": "Not its own", "orgSourcedId": "s3"}]
    load("oneroster", written(tmp_path / "other", version, other), connection=conn)
    # Grace and all that is hers has left; so has the course
    bundle["users"] = [
        user | {"agentSourcedIds": ""} for user in bundle["users"] if user["sourcedId"] != "grace"
    ]
    bundle["enrollments"] = bundle["enrollments"][:1]
    if version == "1.2":
        bundle["roles"] = [role for role in bundle["roles"] if role["userSourcedId"] != "grace"]
    folder = written(tmp_path / "second", version, bundle)
    load("oneroster", folder, connection=conn)
    gone = "select count(*) from {} where status = 'tobedeleted'"
    for table in ("one_roster_role", "one_roster_enrollment", "one_roster_course"):
        assert conn.execute(gone.format(table)).fetchone() == (0,)
    report = load("oneroster", folder, connection=conn, whole=True)
    assert len([note for note in report.notes if "become tobedeleted" in note]) == 2
    for table, count in (("one_roster_role", 1), ("one_roster_enrollment", 1), ("one_roster_course", 0)):
        assert conn.execute(gone.format(table)).fetchone() == (count,), table
    assert load("oneroster", folder, connection=conn, whole=True).changes == 0
    # back again in the next export
    bundle = small_bundle(version)
    report = load("oneroster", written(tmp_path / "third", version, bundle), connection=conn, whole=True)
    for table in ("one_roster_role", "one_roster_enrollment"):
        assert conn.execute(gone.format(table)).fetchone() == (0,), table


def test_delta_is_never_whole(conn: psycopg.Connection, tmp_path: Path) -> None:
    bundle = small_bundle("1.1")
    load("oneroster", written(tmp_path / "first", "1.1", bundle), connection=conn)
    changed = {"status": "active", "dateLastModified": "2030-01-01T00:00:00Z"}
    delta = {file: [records[0] | changed] for file, records in bundle.items()}
    load("oneroster", written(tmp_path / "delta", "1.1", delta, mode="delta"), connection=conn, whole=True)
    assert conn.execute("select count(*) from one_roster_enrollment where status <> 'active'").fetchone() == (
        0,
    )
