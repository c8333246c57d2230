"""The most extreme values of each type, in any operational table, fail no dataset and change no other row.

Many schools have the same rows in every table. One of them stays as it is; each of the others gets another
extreme in the column that is looked at, in a transaction that is rolled back.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import sql

from conftest import Dbt
from older_server import OlderServer
from test_check_sources import ROWS
from timeback_analytics.operational import create_operational_schema
from timeback_analytics.server import EmbeddedServer

pytestmark = pytest.mark.takes_long

CLEAN = "c1ea0000"
"""What every id of the school that stays as it is begins with, and what each of its texts ends with."""
LONG = "9" * 200_000

_TIMES = (
    "-infinity",
    "infinity",
    "4713-11-24 00:00:00+00 BC",
    "294276-12-31 23:59:59.999999+00",
    "1900-01-01 00:00+00",
)
EXTREMES: dict[str, tuple[Any, ...]] = {
    "timestamp with time zone": (*_TIMES, None),
    "date": ("-infinity", "infinity", "4713-11-24 BC", "5874897-12-31", None),
    "integer": (-(2**31), 2**31 - 1, 0, -1, None),
    "bigint": (-(2**63), 2**63 - 1, 0, -1, None),
    "numeric": ("NaN", "Infinity", "-Infinity", "1e131071", "-1e131071", "1e-16383", 0, None),
    "double precision": ("NaN", "Infinity", "-Infinity", "1e308", "-1e308", "5e-324", 0, None),
    "boolean": (True, False, None),
    "text": (
        "",
        " ",
        "\x01",
        "\U0001f469\u200d\U0001f393",
        "'; drop--",
        "NaN",
        "1e999999",
        LONG,
        "P99999999W",
        None,
    ),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", None),
    "jsonb": tuple(
        f'{{"json": {text}}}'
        for text in (
            "null",
            "{}",
            "[]",
            '""',
            "true",
            "1e1000",
            "-1e-1000",
            '[[[[[[{"a": [null]}]]]]]]',
            f'"{LONG}"',
        )
    ),
}
EXTREMES["citext"] = EXTREMES["text"]
SCHOOLS = max(map(len, EXTREMES.values()))

MORE = """
insert into insights_type values
('{29}', 'CheatingHelp', 'Cheating', 'external', true),
('{30}', 'UnauthorizedDevice', 'Proctoring', 'external', true);
-- the one type that datasets know by its slug, which is unique
insert into insights_type values ('{31}', 'Journal', 'Journal', 'external', false) on conflict do nothing;
insert into insights_insight values
('{32}', '{24}', '{29}', '{t}', '{u}', 'Asked', true, '{t}'),
('{33}', '{24}', '{30}', '{t}', '{u}', 'Phone', true, '{t}'),
('{34}', '{24}', '{31}', '{t}', '{u}', 'Dear diary', true, '{t}'),
('{35}', '{24}', '{23}', '{t}', '{u}', 'Again', true, '{t}');
insert into insights_review values
('{36}', '{32}', 'TruePositive', '{u}'), ('{37}', '{33}', 'TruePositive', '{u}'),
('{38}', '{34}', 'TruePositive', '{u}');
update insights_session set is_proctored = true where id = '{24}';
insert into caliper_attempt values
('urn:uuid:{39}', '{1}', 'question', 2, '{t}', '{u}', null, '{t}', '{t}');
"""

_NAME = {"name": "N", "abbreviation": "N", "grade": "3", "clever": True}
_OF = {
    "schools": {"current": ["{3}"], "all": ["{3}"], "dates": {"{3}": {"from": 1}}},
    "districts": {"current": ["{40}"]},
}
_TIME = {"_seconds": 1_700_000_000, "_nanoseconds": 5}
_RUN = {
    "taskId": "{41}",
    "variantId": "{42}",
    "timeStarted": _TIME,
    "timeFinished": _TIME,
    "completed": True,
    "scores": {"raw": {"composite": {"test": {"numCorrect": 3}}}},
    "reliable": True,
    "readOrgs": {"schools": ["{3}"]},
}
_TRIAL = {
    "correct": 1,
    "rt": 800,
    "item": "x",
    "trialIndex": 3,
    "serverTimestamp": _TIME,
    "stimulus": "s",
    "block": 1,
}
DOCUMENTS = {
    "districts/{40}": {**_NAME, "schools": ["{3}"]},
    "schools/{3}": {**_NAME, "districtId": "{40}", "classes": ["{7}"]},
    "classes/{7}": {**_NAME, "schoolId": "{3}", "districtId": "{40}", "tags": ["a"]},
    "groups/{43}": {**_NAME, "tags": ["a"]},
    "families/{44}": {**_NAME},
    "tasks/{41}": {**_NAME, "lastUpdated": _TIME},
    "tasks/{41}/variants/{42}": {**_NAME, "params": {"a": 1}, "lastUpdated": _TIME},
    "users/{1}": {**_OF, "assessmentPid": "p", "birthYear": 2014, "birthMonth": 2, "grade": "3",
                  "userType": "student",
                  "createdAt": _TIME, "lastUpdated": _TIME},
    "deleted-users/{45}": {**_OF, "birthYear": 2014, "grade": "3"},
    "userClaims/{1}": {"claims": {"adminUid": "{1}"}, "lastUpdated": 1_700_000_000_000},
    "guests/{46}": {"districtId": "{40}", "age": 9, "created": _TIME},
    **{f"{who}/runs/{{47}}": _RUN for who in ("users/{1}", "guests/{46}")},
    **{f"{who}/runs/{{47}}/trials/{{48}}": _TRIAL for who in ("users/{1}", "guests/{46}")},
}  # fmt: skip


def mark_of(school: int) -> str:
    """What every id of a school begins with, and what its texts end with."""
    return f"5c{school:06}" if school else CLEAN


def rows_of(school: int) -> str:
    """SQL that inserts a school's rows; school 0 is the one that stays as it is."""
    prefix = mark_of(school)
    rows = ROWS + MORE
    for path, data in DOCUMENTS.items():
        rows += f"insert into roar_document values ('{path}', '{json.dumps(data)}', '{{t}}');\n"
    rows = rows.replace("{t}", "2026-03-14 09:00:00+00").replace("{u}", "2026-03-14 09:30:00+00")
    rows = rows.replace("{31}", "aaaaaaaa-0000-4000-8000-000000000031")
    for number in range(1, 49):
        rows = rows.replace(f"{{{number}}}", f"{prefix}-0000-4000-8000-{number:012}")
    for name in ("question", "test", "subject", "unit", "lesson"):
        rows = rows.replace(f"'{name}'", f"'{name} {prefix}'")
    # unique beside the keys: emails, names of applications and types, a grade's place in the order
    for name in ("Algebra app", "EyesOffScreen", "CheatingHelp", "UnauthorizedDevice"):
        rows = rows.replace(f"'{name}'", f"'{name} {prefix}'")
    return rows.replace("@school.edu", f"@{prefix}.edu").replace("'Grade 9', 9)", f"'Grade 9', {9 + school})")


@dataclass
class World:
    """A connection to the schools under the catalog, in a transaction.

    Attributes:
        clean: (scope, dataset) -> the clean school's rows.
        dependents: table -> the datasets that read it, in any number of steps.
        tried: how many columns, or pairs of them, had extremes.
        refused: values that a table does not take.
        findings: what went wrong.
    """

    conn: psycopg.Connection
    clean: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    dependents: dict[str, list[str]] = field(default_factory=dict)
    tried: int = 0
    refused: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def ask(self, scope: str, dataset: str) -> list[str]:
        """The clean school's rows of a dataset, under a scope; all of its rows are read."""
        return [row for row in self.rows(scope, dataset) if CLEAN in row]

    def rows(self, scope: str, dataset: str) -> list[str]:
        """A dataset's rows under a scope, as text."""
        for setting in ("app.allowed_org_ids", "app.allowed_roar_org_ids"):
            self.conn.execute("select set_config(%s, %s, true)", [setting, scope])
        query = "select row_text from (select v::text as row_text from {} as v) as shown order by row_text"
        shown = self.conn.execute(sql.SQL(query).format(sql.Identifier("analytics", dataset)))
        return [row for (row,) in shown]

    def poison(self, table: str, values: list[dict[str, Any]]) -> None:
        """Each school's rows of a table get the values of its own, and everything is asked."""
        self.tried += 1
        with self.conn.transaction(force_rollback=True):
            for school, row in enumerate(values, 1):
                self.write(table, mark_of(school), row)
            for scope, dataset in itertools.product(SCOPES, self.dependents.get(table, [])):
                try:
                    with self.conn.transaction():
                        is_same = self.ask(scope, dataset) == self.clean[scope, dataset]
                except psycopg.Error as error:
                    self.findings.append(f"{table} {sorted(values[0])}: {dataset} fails: {error}")
                    return
                if not is_same:
                    self.findings.append(f"{table} {sorted(values[0])}: {dataset} shows others otherwise")

    def write(self, table: str, school: str, row: dict[str, Any]) -> None:
        changes = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value))
            for column, value in row.items()
        )
        try:
            with self.conn.transaction():
                self.conn.execute(
                    sql.SQL("update {} as t set {} where t::text like {}").format(
                        sql.Identifier("operational", table), changes, sql.Literal(f"%{school}%")
                    )
                )
        except (psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded, psycopg.DataError) as error:
            self.refused.append(f"{table} {str(row)[:60]}: {str(error).splitlines()[0]}")


SCOPES = ("*", f"{CLEAN}-0000-4000-8000-000000000003, {CLEAN}-0000-4000-8000-000000000040")
"""Everybody, and the clean school with its district of ROAR."""
OLDER_ZONE = "Pacific/Kiritimati"
"""The time zone of the older server's catalog, that of test_timezone.py; the embedded one's is UTC."""


@pytest.fixture(scope="module", params=["embedded", "older"])
def database(
    request: pytest.FixtureRequest, catalog_template: str, new_database: Callable[..., str], dbt: Dbt
) -> Iterator[str]:
    """The schools' database: on the embedded server, and on an older one in another zone."""
    name = "extremes"
    if request.param == "embedded":
        server: EmbeddedServer | OlderServer = request.getfixturevalue("embedded_server")
        new_database(name, template=catalog_template)
    else:
        server = request.getfixturevalue("older_server")
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
            conn.execute(f"create database {name}")
        with psycopg.connect(server.dsn(name)) as conn:
            create_operational_schema(conn, "operational")
        environment = {"TIMEBACK_EMBEDDED_HOST": str(server.socket_dir)}
        dbt(name, "run", "--vars", f"{{timezone: {OLDER_ZONE}}}", env=environment)
    with psycopg.connect(server.dsn(name)) as conn:
        conn.execute("set search_path = operational")
        for school in range(SCHOOLS + 1):
            conn.execute(rows_of(school))
    yield server.dsn(name)
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(f"drop database if exists {name} with (force)")


@pytest.fixture
def world(database: str) -> Iterator[World]:
    with psycopg.connect(database) as conn:
        conn.execute("set timezone = 'America/Anchorage'")
        world = World(conn)
        for table, dataset in conn.execute(
            """with recursive reads (table_oid, oid) as (
                select oid, oid from pg_class
                where relnamespace = 'operational'::regnamespace and relkind = 'r'
                union
                select reads.table_oid, pg_rewrite.ev_class
                from reads
                inner join pg_depend on pg_depend.refobjid = reads.oid
                    and pg_depend.classid = 'pg_rewrite'::regclass
                    and pg_depend.refclassid = 'pg_class'::regclass
                inner join pg_rewrite on pg_depend.objid = pg_rewrite.oid
            )
            select read.relname::text, view.relname::text
            from reads
            inner join pg_class as read on reads.table_oid = read.oid
            inner join pg_class as view on reads.oid = view.oid
            where view.relnamespace = 'analytics'::regnamespace
            order by 1, 2"""
        ).fetchall():
            world.dependents.setdefault(table, []).append(dataset)
        for dataset in {one for datasets in world.dependents.values() for one in datasets}:
            for scope in SCOPES:
                world.clean[scope, dataset] = world.ask(scope, dataset)
        yield world
        conn.rollback()


def columns(world: World) -> dict[str, dict[str, str]]:
    """{table: {column: type}} of the operational tables."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in world.conn.execute(
        """select relname::text, attname::text, format_type(atttypid, null)
        from pg_class inner join pg_attribute on attrelid = pg_class.oid
        where relnamespace = 'operational'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
        order by relname, attnum"""
    ):
        found.setdefault(table, {})[column] = kind
    return found


def test_the_schools_are_in_every_dataset(world: World) -> None:
    """Or nothing would be poisoned, and nobody be there to see it."""
    # the one table that is asked for whether something is there, and shown by no dataset
    assert set(columns(world)) - set(world.dependents) == {"cf_document"}
    assert {dataset for (scope, dataset), rows in world.clean.items() if not rows} == set()


def test_no_extreme_of_a_column_fails_a_dataset_or_changes_anothers_row(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    for table, kinds in columns(world).items():
        for column, kind in kinds.items():
            if table == "roar_document" and column == "data":
                continue
            world.poison(table, [{column: value} for value in EXTREMES[kind]])
    told(world, capsys)


def test_no_two_times_of_a_row_do(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """One far before the other, which no interval is long enough for."""
    first, last, lowest, highest = "-infinity", "infinity", *_TIMES[2:4]
    pairs = ((lowest, highest), (first, last), (last, last), (first, highest), (lowest, last))
    for table, kinds in columns(world).items():
        times = [column for column, kind in kinds.items() if kind == "timestamp with time zone"]
        for one, other in itertools.permutations(times, 2):
            world.poison(table, [{one: start, other: end} for start, end in pairs])
    told(world, capsys)


def test_between_times_that_are_not_finite_there_is_no_duration(world: World) -> None:
    """As text such a time is infinity, and a number would be Infinity or NaN."""
    ends = itertools.product(("-infinity", "infinity"), repeat=2)
    seen = 0
    with world.conn.transaction(force_rollback=True):
        for school, (one, other) in enumerate(ends, 1):
            for table, kinds in columns(world).items():
                times = [column for column, kind in kinds.items() if kind == "timestamp with time zone"]
                for number, column in enumerate(times):
                    world.write(table, mark_of(school), {column: (one, other)[number % 2]})
        for dataset in {one for datasets in world.dependents.values() for one in datasets}:
            rows = world.rows("*", dataset)
            seen += sum("infinity" in row for row in rows)
            assert [row for row in rows if "Infinity" in row or "NaN" in row] == [], dataset
    assert seen > 0


def test_no_value_within_a_document_does(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Each field of each of ROAR's documents, and each document as a whole."""
    values = [json.loads(value.replace("1e1000", '"1e1000"'))["json"] for value in EXTREMES["jsonb"]]
    raw = [value.removeprefix('{"json": ')[:-1] for value in EXTREMES["jsonb"]]
    assert len(values) == len(raw)
    for path, data in DOCUMENTS.items():
        for name in (None, *data):
            world.tried += 1
            with world.conn.transaction(force_rollback=True):
                for school, text in enumerate(raw, 1):
                    here = path
                    for number in range(1, 49):
                        here = here.replace(f"{{{number}}}", f"{mark_of(school)}-0000-4000-8000-{number:012}")
                    written = world.conn.execute(
                        """update operational.roar_document
                        set data = case when %(name)s::text is null then %(value)s::jsonb
                            else jsonb_set(data, array[%(name)s], %(value)s::jsonb) end
                        where path = %(path)s""",
                        {"name": name, "value": text, "path": here},
                    )
                    assert written.rowcount == 1, here
                for scope, dataset in itertools.product(SCOPES, world.dependents["roar_document"]):
                    try:
                        with world.conn.transaction():
                            is_same = world.ask(scope, dataset) == world.clean[scope, dataset]
                    except psycopg.Error as error:
                        world.findings.append(f"{path} {name}: {dataset} fails: {error}")
                        break
                    if not is_same:
                        world.findings.append(f"{path} {name}: {dataset} shows others otherwise")
    told(world, capsys)


def told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(
            f"\n{world.tried} columns, or pairs; {len(world.refused)} values refused by a table's own rules"
        )
    assert world.findings == []
