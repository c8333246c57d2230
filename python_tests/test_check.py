"""timeback check: passes a good catalog; of a broken one it tells what is broken, where, by which rows."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from check_kit import Check
from scope_rows import BY_NAME, SCHOOL_A
from timeback_analytics.catalog.manifest import published_models
from timeback_analytics.checkpoint import Checkpoint
from timeback_analytics.errors import TimebackError
from timeback_analytics.promises import suites
from timeback_analytics.server import EmbeddedServer

READER = "check_test_reader"


@pytest.fixture(scope="module")
def reader(embedded_server: EmbeddedServer, people_database: str) -> Iterator[str]:
    """A login role that may read the datasets and no more."""
    with psycopg.connect(embedded_server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(f"create role {READER} login in role timeback_reader")
        yield READER
        conn.execute(f"drop role {READER}")


@pytest.fixture(scope="module")
def manifest_path(manifest: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dbt's manifest as a file."""
    path = tmp_path_factory.mktemp("check") / "manifest.json"
    path.write_text(json.dumps(manifest))
    return path


@pytest.fixture
def check(
    embedded_server: EmbeddedServer, manifest_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Check:
    """The command, on a database of the test server."""
    return Check(embedded_server, manifest_path, tmp_path / "report", monkeypatch)


# -- the rules ------------------------------------------------------------------------------------


def test_every_test_of_a_dataset_is_a_rule(manifest):
    """Nothing that the YAML says is left out in silence."""
    made = suites(manifest, "analytics")
    assert [suite.dataset for suite in made] == [node["name"] for node in published_models(manifest)]
    assert [test for suite in made for test in suite.unchecked] == []
    tests = [
        node["attached_node"].rsplit(".", 1)[-1]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node.get("attached_node")
    ]
    for suite in made:
        guards = sum(rule.is_guard for rule in suite.rules)
        assert len(suite.rules) == 2 + guards + tests.count(suite.dataset), suite.dataset
    scoped = [
        node["name"]
        for node in published_models(manifest)
        if {"scope", "scope_when"} & node["config"]["meta"].keys()
    ]
    assert [suite.dataset for suite in made if any(rule.is_guard for rule in suite.rules)] == scoped


def test_a_test_of_another_kind_is_named(manifest):
    students = "model.timeback_analytics.students"
    test = {
        "name": "students_are_nice",
        "resource_type": "test",
        "attached_node": students,
        "test_metadata": {"name": "are_nice", "kwargs": {}},
        "config": {"severity": "ERROR"},
    }
    nodes = {students: manifest["nodes"][students], "test.x": test}
    nodes |= {id_: manifest["nodes"][id_] for id_ in manifest["nodes"][students]["depends_on"]["nodes"]}
    (suite,) = suites({"nodes": nodes}, "analytics")
    assert suite.unchecked == ["students_are_nice"]


@pytest.mark.parametrize(("joins", "severities"), {"warn": {True}, "fail": {False}, "skip": set()}.items())
def test_joins_are_as_strict_as_one_asks(manifest, joins, severities):
    rules = [rule for suite in suites(manifest, "analytics", joins) for rule in suite.rules]
    assert {rule.is_warning for rule in rules if rule.is_join} == severities
    by_default = [rule for suite in suites(manifest, "analytics") for rule in suite.rules]
    others = [rule for rule in by_default if not rule.is_join]
    assert [rule for rule in rules if not rule.is_join] == others


def test_severity_is_the_yamls(manifest):
    rules = {
        (rule.dataset, rule.column, rule.name): rule.is_warning
        for suite in suites(manifest, "analytics")
        for rule in suite.rules
    }
    assert rules["sessions", "student_id", "join"] is True
    assert rules["unit_courses", "unit_id", "join"] is False
    assert rules["students", "id", "never null"] is False
    assert rules["student_guides", "status", "allowed values"] is True


def test_sample_keys_are_no_text_that_somebody_wrote(manifest):
    """A report may be passed on; an address or what a journal says must not be. A grain's names may."""
    grains = {node["name"]: node["config"]["meta"].get("grain", []) for node in published_models(manifest)}
    for suite in suites(manifest, "analytics"):
        for rule in suite.rules:
            # names of columns are in quotes in each query
            selected = set(re.findall(r'"(\w+)"', rule.broken.split(" from ")[0]))
            assert not {
                name
                for name in selected - set(grains[suite.dataset])
                if re.search(r"(^|_)(name|title|text|email|description|content)$", name)
            }, rule


# -- a good catalog -------------------------------------------------------------------------------


def test_a_good_catalog_passes(check, people_database):
    result = check(people_database)
    assert result.exit_code == 0, result.output
    data = check.data
    assert data["success"] is True
    assert data["counts"]["failed"] == 0
    assert data["counts"]["passed"] > 300
    assert len(data["datasets"]) == 56
    assert re.search(r"^sessions: \d+ rules, 1 warned$", result.output, re.MULTILINE)

    # somebody without a user row: documented joins promise types and not resolution
    orphan = BY_NAME["of A without a user row"]
    assert check.rules("sessions", "warning") == {("student_id", "join")}
    (rule,) = [rule for rule in data["datasets"]["sessions"]["rules"] if rule["status"] == "warning"]
    assert rule["broken_rows"] == 1
    assert rule["sample"] == [{"id": orphan.session_id, "student_id": str(orphan.id)}]
    assert str(orphan.id) in result.output
    assert str(orphan.id) in check.page


def test_the_page_needs_no_network(check, people_database):
    check(people_database, "--select", "grades")
    assert re.findall(r"(?:https?:)?//[\w.]+|<script|<link|<img|@import|url\(", check.page) == []
    assert "grades" in check.page
    assert "Passed" in check.page


def test_joins_can_be_made_to_fail(check, people_database):
    result = check(people_database, "--select", "sessions", "--joins", "fail")
    assert result.exit_code == 1
    assert check.rules("sessions", "failed") == {("student_id", "join")}
    assert list(check.data["datasets"]) == ["sessions"]


def test_a_reader_checks_what_it_sees(check, people_database, reader):
    """Under a list of organizations, without a look behind the datasets."""
    result = check(
        people_database, "--scope", str(SCHOOL_A), "--select", "students", "--select", "sessions", role=reader
    )
    assert result.exit_code == 0, result.output
    assert check.data["role"] == reader
    assert check.rules("students", "warning") == set()


def test_a_check_that_sees_nothing_is_no_success(check, people_database):
    result = check(people_database, "--scope", "{}", "--select", "students", "--select", "grades")
    assert result.exit_code == 1
    assert "No scoped dataset shows a row" in result.output
    assert check.data["nothing_shown"] is True
    assert "no scoped dataset shows a row" in check.page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scope", "school-a"], 'app.allowed_org_ids holds "school-a".*--scope'),
        (["--scope", "*"], "app.allowed_org_ids = .*may not.*--scope"),
        (["--schema", "elsewhere"], "no datasets in schema elsewhere.*dbt run.*--schema"),
        (["--select", "pupils"], "no dataset pupils.*students_mastery"),
    ],
)
def test_what_cannot_be_checked_says_what_to_do(check, people_database, reader, arguments, message):
    result = check(people_database, *arguments, role=reader)
    assert result.exit_code == 1
    assert re.search(message, result.output, re.DOTALL), result.output
    assert "Traceback" not in result.output


def test_a_database_that_is_not_there_is_named(check):
    result = check("check_nowhere")
    assert result.exit_code == 1
    assert "check_nowhere" in result.output


def test_a_manifest_is_needed(check, people_database, tmp_path):
    result = check(people_database, "--manifest", str(tmp_path / "none.json"))
    assert result.exit_code == 1
    assert "none.json" in result.output


def test_its_sessions_cannot_write(embedded_server, people_database, manifest):
    checkpoint = Checkpoint(embedded_server.dsn(people_database), "analytics", "*")
    try:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            checkpoint._conn.execute("delete from operational.one_roster_user")
        with (
            checkpoint._source.get_engine().connect() as conn,
            pytest.raises(Exception, match="read-only transaction"),
        ):
            conn.exec_driver_sql("create temporary table noted (id integer)")
        (suite,) = [suite for suite in suites(manifest, "analytics") if suite.dataset == "grades"]
        assert all(outcome.passed for outcome in checkpoint.run(suite))
    finally:
        checkpoint.close()


def test_a_scope_with_spaces_reaches_the_server_whole(embedded_server, people_database):
    scope = f" {{ {SCHOOL_A} , {SCHOOL_A} }} \\"
    checkpoint = Checkpoint(embedded_server.dsn(people_database), "analytics", scope)
    try:
        shown = checkpoint._conn.execute("select current_setting('app.allowed_org_ids')").fetchone()
        with checkpoint._source.get_engine().connect() as conn:
            as_well = conn.exec_driver_sql("select current_setting('app.allowed_org_ids')").fetchone()
    finally:
        checkpoint.close()
    assert shown[0] == as_well[0] == scope


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [(("*",), "*"), ((f"{SCHOOL_A}",), ""), (("*", ""), ""), ((f"{SCHOOL_A}", "*"), "*")],
)
def test_whoever_checks_everybody_checks_roars_too(embedded_server, people_database, scopes, expected):
    """Whatever asks for the check, a job too: it would find ROAR's datasets empty, and fail."""
    checkpoint = Checkpoint(embedded_server.dsn(people_database), "analytics", *scopes)
    try:
        shown = checkpoint._conn.execute("select current_setting('app.allowed_roar_org_ids')").fetchone()
    finally:
        checkpoint.close()
    assert shown == (expected,)


# -- a broken catalog -----------------------------------------------------------------------------

BROKEN = {
    # dataset: (query over {original}, what must fail as (column, rule))
    "students": (
        "select * from {original} union all select * from {original}",
        {("id", "unique"), ("email", "unique")},
    ),
    "students_xp": (
        "select student_id, learning_app_id, null::text as session_id, date, total_value, org_ids"
        " from {original}"
        " union all select student_id, learning_app_id, null, date, 7, org_ids from {original}",
        {(None, "unique grain")},
    ),
    "guides": (
        "select id, case when name like '%A%' then name end as name, email, org_ids from {original}",
        {("name", "never null")},
    ),
    "placement_results": (
        "select student_id, subject_id, subject_id as grade_id, placement_status, last_updated, org_ids"
        " from {original}",
        {(None, "invariant")},
    ),
    "recommendations": (
        "select id, student_id, type, source, source_reference_id, title, 'staff'::text as visibility,"
        " content, date, generated_at, delivered_at, feedback_sentiment, feedback_text, feedback_at, org_ids"
        " from {original}",
        {("visibility", "allowed values")},
    ),
    "questions": ("select id, type, title from {original}", {(None, "columns")}),
    "courses": ("select id, subject_id from {original}", {(None, "columns"), ("title", "never null")}),
    "classes": (
        "select id, title, class_code, class_type, course_id, course_title, school_id, school_name, status,"
        " subject_ids::text[] as subject_ids, grade_ids from {original}",
        {(None, "types")},
    ),
    "student_guides": (
        "select student_id, student_name, guide_id, guide_name, relationship_type, status, begin_date,"
        " end_date, assigned_date, last_modified_date, org_ids || org_ids as org_ids from {original}",
        {("org_ids", "sorted array")},
    ),
    "sessions": ("select * from {original} where false", {(None, "shows rows")}),
    "curriculum_items": (
        "select curriculum_item_id, (1 / (length(curriculum_item_title) - 9))::text as curriculum_item_title,"
        " curriculum_item_code, curriculum_item_type from {original}",
        {("curriculum_item_title", "never null")},
    ),
    "sessions_waste": (
        "select session_id, waste_duration_sec - 9999 as waste_duration_sec, org_ids from {original}",
        {(None, "invariant")},
    ),
}
MISSING = "lessons"


@pytest.fixture(scope="module")
def broken(embedded_server: EmbeddedServer, people_database: str, new_database: Callable[..., str]) -> str:
    """The name of a database whose datasets were replaced by wrong ones."""
    name = new_database("check_broken", template=people_database)
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        for dataset, (query, _) in BROKEN.items():
            conn.execute(f"alter view analytics.{dataset} set schema analytics_internal")
            conn.execute(
                sql.SQL("create view {} as ").format(sql.Identifier("analytics", dataset))
                + sql.SQL(query.replace("{original}", f"analytics_internal.{dataset}"))
            )
        conn.execute(f"drop view analytics.{MISSING} cascade")
    return name


def test_a_broken_catalog_is_told_of_rule_by_rule(check, broken):
    result = check(broken)
    assert result.exit_code == 1
    data = check.data
    assert data["success"] is False
    for dataset, (_, rules) in BROKEN.items():
        assert rules <= check.rules(dataset, "failed"), (dataset, check.rules(dataset, "failed"))
        for column, rule in rules:
            place = dataset if column is None else f"{dataset}.{column}"
            assert f"FAILED  {place}  {rule}: " in result.output
    (missing,) = data["datasets"][MISSING]["rules"]
    assert missing["status"] == "failed"
    assert "analytics.lessons is not there: run `dbt run`" in missing["error"]

    # and of nothing else, but that others join what is missing
    for dataset in data["datasets"].keys() - BROKEN.keys() - {MISSING}:
        assert {rule for _, rule in check.rules(dataset, "failed")} <= {"join"}, dataset

    def rule_of(dataset: str, column: str | None, name: str) -> dict[str, Any]:
        rules = data["datasets"][dataset]["rules"]
        return next(rule for rule in rules if (rule["column"], rule["rule"]) == (column, name))

    twice = rule_of("students", "id", "unique")
    assert twice["broken_rows"] == len({keys["id"] for keys in twice["sample"]}) + 12
    assert {keys["rows"] for keys in twice["sample"]} == {"2"}
    wrong = rule_of("recommendations", "visibility", "allowed values")
    assert {keys["visibility"] for keys in wrong["sample"]} == {"staff"}
    assert wrong["broken_rows"] == 18
    swapped = rule_of("questions", None, "columns")
    assert swapped["sample"] == [
        {"place": "2", "documented": "title", "found": "type"},
        {"place": "3", "documented": "type", "found": "title"},
    ]
    typed = rule_of("classes", None, "types")
    assert typed["sample"] == [{"name": "subject_ids", "documented": "uuid[]", "found": "text[]"}]
    assert "division by zero" in rule_of("curriculum_items", "curriculum_item_title", "never null")["error"]
    empty = rule_of("sessions", None, "shows rows")
    assert "int_sessions" in empty["promise"]

    # said again at the end, where one looks first
    said, _, _ = result.output.partition(f"{data['counts']['passed']} rules hold")
    ending = said.splitlines()[-data["counts"]["failed"] :]
    assert all(line.startswith("FAILED  ") for line in ending)
    assert f"FAILED  students.id  unique: broken by {twice['broken_rows']} rows" in ending

    page = check.page
    assert "Failed" in page
    states = re.findall(r'<h3><span class="(\w+)">', page)
    assert states == ["failed"] * data["counts"]["failed"] + ["warning"] * data["counts"]["warning"]
    links = re.findall(r'href="#([\w-]+)"', page)
    assert {"failed", "warning", "datasets", "failed-students", f"failed-{MISSING}"} <= set(links)
    ids = re.findall(r' id="([\w-]+)"', page)
    assert len(ids) == len(set(ids)) and set(links) <= set(ids)
    for dataset in BROKEN:
        assert f"{dataset}." in page or f"{dataset}:" in page


def test_a_warning_fails_nothing(check, embedded_server, people_database, new_database):
    name = new_database("check_warned", template=people_database)
    with psycopg.connect(embedded_server.dsn(name)) as conn:
        conn.execute("update operational.one_roster_user_agent set status = 'unheard of'")
    result = check(name, "--select", "student_guides")
    assert result.exit_code == 0, result.output
    assert ("status", "allowed values") in check.rules("student_guides", "warning")
    assert "WARNING  student_guides.status  allowed values" in result.output


def test_without_great_expectations_it_says_what_to_install(embedded_server, people_database, monkeypatch):
    import builtins

    really = builtins.__import__

    def without(name: str, *arguments: Any, **others: Any) -> Any:
        if name.split(".")[0] == "great_expectations":
            raise ImportError("no", name="great_expectations")
        return really(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TimebackError, match=r"--editable '\.\[check\]'"):
        Checkpoint(embedded_server.dsn(people_database), "analytics", "*")
