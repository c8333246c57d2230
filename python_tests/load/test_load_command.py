"""timeback load as a user types it: targets, questions, exit codes; and that nothing is ever half-loaded."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from load_helpers import contents
from roster_bundles import small_bundle, written

from timeback_analytics.cli import main
from timeback_analytics.errors import TimebackError
from timeback_analytics.load import LoadError, load
from timeback_analytics.operational import create_operational_schema, is_own_schema
from timeback_analytics.server import EmbeddedServer


@pytest.fixture
def database(embedded_server: EmbeddedServer, new_database: Callable[..., str]) -> str:
    """An empty database of the test's own."""
    return new_database("load_command")


@pytest.fixture
def conn(embedded_server: EmbeddedServer, database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:
        yield conn


@pytest.fixture
def run(
    embedded_server: EmbeddedServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run timeback; both targets are the test's database."""
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", database)
    monkeypatch.setenv("PGHOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("PGDATABASE", database)
    monkeypatch.setenv("PGUSER", "postgres")

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return written(tmp_path / "bundle", "1.2", small_bundle("1.2"))


def make_server_tables(conn: psycopg.Connection) -> None:
    """The tables as somebody else would have made them, in public."""
    create_operational_schema(conn, "theirs")
    conn.execute("drop schema public")
    conn.execute("alter schema theirs rename to public")
    conn.execute("comment on schema public is null")


def test_embedded_makes_the_schema_and_says_what_happened(
    run: Callable[..., Result], conn: psycopg.Connection, bundle: Path, database: str
) -> None:
    result = run("load", "oneroster", bundle)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["inserted"] in lines
    assert ["one_roster_role", "3"] in lines
    assert f"Written to schema operational of database {database}" in result.output
    assert is_own_schema(conn, "operational")
    again = run("load", "oneroster", bundle)
    assert again.exit_code == 0
    assert "Nothing to do" in again.output


def test_list_and_help_say_the_formats(run: Callable[..., Result]) -> None:
    for arguments in (["--list"], ["--help"]):
        result = run("load", *arguments)
        assert result.exit_code == 0
        for name in ("case", "grades", "oneroster"):
            assert f"\n  {name}" in "\n" + result.output.replace("\n    ", "\n  ")


def test_dry_run_leaves_not_even_a_schema(
    run: Callable[..., Result], conn: psycopg.Connection, bundle: Path
) -> None:
    result = run("load", "oneroster", bundle, "--dry-run")
    assert result.exit_code == 0
    assert "nothing was written" in result.output
    assert conn.execute("select to_regnamespace('operational')").fetchone() == (None,)


def test_refusal_exits_with_1_and_says_where(run: Callable[..., Result], bundle: Path) -> None:
    orgs = bundle / "orgs.csv"
    orgs.write_bytes(orgs.read_bytes().replace(b"district", b"county"))
    result = run("load", "oneroster", bundle)
    assert result.exit_code == 1
    assert "orgs.csv, line 2, column type: 'county'" in result.output
    assert "Traceback" not in result.output


def test_embedded_refuses_a_schema_of_others(
    run: Callable[..., Result], conn: psycopg.Connection, bundle: Path
) -> None:
    make_server_tables(conn)
    before = contents(conn, "public")
    result = run("load", "oneroster", bundle, "--schema", "public")
    assert result.exit_code == 1
    assert "was not made by TimeBack analytics" in result.output
    assert contents(conn, "public") == before


def test_a_trigger_that_names_no_schema_is_an_error_that_says_what_to_do(
    run: Callable[..., Result], conn: psycopg.Connection, bundle: Path
) -> None:
    make_server_tables(conn)
    conn.execute(
        """create table changes (at timestamptz);
        create function note_change() returns trigger language plpgsql as
            'begin insert into changes values (now()); return new; end';
        create trigger noted before insert on one_roster_user
            for each row execute function note_change()"""
    )
    before = contents(conn, "public")
    command = ("load", "oneroster", bundle, "--target", "server", "--yes")
    refused = run(*command)
    said = " ".join(refused.output.split())
    assert refused.exit_code == 1 and "note_change() line 1" in said, said
    assert "names something without its schema" in said and "alter function ... set search_path" in said
    assert contents(conn, "public") == before
    conn.execute("alter function note_change() set search_path = public, pg_temp")
    assert run(*command).exit_code == 0
    assert conn.execute("select count(*) > 0 from changes").fetchone() == (True,)


def test_server_lists_what_is_missing(
    run: Callable[..., Result], conn: psycopg.Connection, bundle: Path, database: str
) -> None:
    make_server_tables(conn)
    conn.execute("drop table one_roster_enrollment")
    conn.execute("alter table one_roster_role drop column role_type")
    conn.execute("alter table one_roster_course rename to course")
    conn.execute("create view one_roster_course as select * from course")
    result = run("load", "oneroster", bundle, "--target", "server", "--yes")
    assert result.exit_code == 1
    where = f"in schema public of database {database}"
    assert f"one_roster_enrollment: there is no such table {where}" in result.output
    assert f"one_roster_course: there is no such table {where}" in result.output
    assert f"one_roster_role, column role_type: the table {where} has no such column" in result.output
    assert "Problems: 3" in result.output


def test_server_asks_first(
    run: Callable[..., Result], conn: psycopg.Connection, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_server_tables(conn)
    before = contents(conn, "public")
    command = ["load", "oneroster", bundle, "--target", "server"]
    result = run(*command)
    assert result.exit_code == 1
    assert "--yes" in result.output
    monkeypatch.setattr("timeback_analytics.commands.load._can_ask", lambda: True)
    for answer in ("n\n", ""):
        result = CliRunner().invoke(main, [str(word) for word in command], input=answer)
        assert result.exit_code == 1
        assert ["one_roster_role", "3"] in [line.split() for line in result.output.splitlines()]
    assert contents(conn, "public") == before
    result = CliRunner().invoke(main, [str(word) for word in command], input="y\n")
    assert result.exit_code == 0, result.output
    assert contents(conn, "public") != before
    assert run(*command, "--yes").exit_code == 0


def test_server_may_not_be_written_to_by_everybody(conn: psycopg.Connection, bundle: Path) -> None:
    make_server_tables(conn)
    conn.execute("drop role if exists load_reader")
    conn.execute("create role load_reader")
    conn.execute("grant usage on schema public to load_reader")
    conn.execute("grant select on all tables in schema public to load_reader")
    conn.execute("set role load_reader")
    with pytest.raises(LoadError, match=r"permission denied for table .* Ask the owner of the tables"):
        load("oneroster", bundle, "server", connection=conn)
    conn.execute("reset role")
    conn.execute("drop owned by load_reader")
    conn.execute("drop role load_reader")


def test_rule_of_the_server_that_no_format_knows(conn: psycopg.Connection, bundle: Path) -> None:
    make_server_tables(conn)
    conn.execute("alter table one_roster_user add check (family_name <> 'Byron')")
    before = contents(conn, "public")
    with pytest.raises(LoadError, match="violates check constraint"):
        load("oneroster", bundle, "server", connection=conn)
    assert contents(conn, "public") == before


def test_unknown_format_and_pointless_whole(conn: psycopg.Connection, tmp_path: Path) -> None:
    formats = "caliper, case, clr, firestore, grades, oneroster, oneroster-rest, xapi"
    with pytest.raises(TimebackError, match=formats):
        load("edfi", tmp_path, connection=conn)
    with pytest.raises(TimebackError, match="no whole"):
        load("case", tmp_path, connection=conn, whole=True)


def test_fails_in_the_middle(conn: psycopg.Connection, bundle: Path) -> None:
    """The last tables refuse: the first ones, written already, are as they were."""
    create_operational_schema(conn, "operational")
    conn.execute("alter table operational.one_roster_class_subject add check (subject_id is null)")
    before = contents(conn)
    with pytest.raises(LoadError, match="nothing was written"):
        load("oneroster", bundle, connection=conn)
    assert contents(conn) == before
    conn.execute("alter table operational.one_roster_class_subject drop constraint "
                 "one_roster_class_subject_subject_id_check")  # fmt: skip
    assert load("oneroster", bundle, connection=conn).changes


@pytest.mark.parametrize("step", ["Reading users.csv", "Staging one_roster_enrollment", "Writing"])
def test_interrupted(conn: psycopg.Connection, bundle: Path, step: str) -> None:
    """Ctrl-C at any step leaves nothing, and the connection good for more."""

    class Interrupting:
        @contextmanager
        def step(self, label: str, length: int) -> Iterator[Callable[[int], None]]:
            yield lambda count: None
            if label == step:
                raise KeyboardInterrupt

    create_operational_schema(conn, "operational")
    before = contents(conn)
    with pytest.raises(KeyboardInterrupt):
        load("oneroster", bundle, connection=conn, progress=Interrupting())
    assert contents(conn) == before
    assert load("oneroster", bundle, connection=conn).changes


def test_two_loads_at_once(
    embedded_server: EmbeddedServer, database: str, conn: psycopg.Connection, bundle: Path
) -> None:
    """The second waits for the first, and finds everything done."""
    create_operational_schema(conn, "operational")
    changes: list[int] = []

    def run() -> None:
        with psycopg.connect(embedded_server.dsn(database), autocommit=True) as own:
            changes.append(load("oneroster", bundle, connection=own).changes)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changes)[:3] == [0, 0, 0]
    assert sorted(changes)[3] > 0


def test_a_load_keeps_out_loads_and_nobody_else(
    embedded_server: EmbeddedServer, database: str, conn: psycopg.Connection, bundle: Path
) -> None:
    """By locks that readers cannot take, while the platform goes on writing."""
    create_operational_schema(conn, "operational")
    conn.commit()
    with conn.transaction(force_rollback=True), psycopg.connect(embedded_server.dsn(database)) as platform:
        load("oneroster", bundle, connection=conn)
        locks = conn.execute(
            "select locktype, mode from pg_locks where pid = pg_backend_pid() and relation is null"
        )
        assert not [row for row in locks if row[0] == "advisory"]
        platform.execute("set lock_timeout = '2s'")
        platform.execute("select count(*) from operational.one_roster_organization")
        platform.execute("update operational.one_roster_user set status = 'active'")
        with pytest.raises(LoadError, match="lock timeout"):
            load("oneroster", bundle, connection=platform)
        platform.rollback()


def test_transaction_of_the_caller_is_the_callers(conn: psycopg.Connection, bundle: Path) -> None:
    create_operational_schema(conn, "operational")
    before = contents(conn)
    with conn.transaction(force_rollback=True):
        assert load("oneroster", bundle, connection=conn).changes
        assert load("oneroster", bundle, connection=conn).changes == 0
    assert contents(conn) == before


def test_other_tables_are_not_touched(conn: psycopg.Connection, bundle: Path) -> None:
    """Nor is anything left behind in the session."""
    create_operational_schema(conn, "operational")
    load("oneroster", bundle, connection=conn)
    written_to = {table for table, rows in contents(conn).items() if rows}
    assert written_to == {
        "cf_subject",
        "one_roster_class",
        "one_roster_class_subject",
        "one_roster_course",
        "one_roster_enrollment",
        "one_roster_organization",
        "one_roster_role",
        "one_roster_user",
        "one_roster_user_agent",
    }
    assert conn.execute(
        "select count(*) from pg_class where relnamespace = pg_my_temp_schema()"
    ).fetchone() == (0,)
