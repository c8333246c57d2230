# ruff: noqa: F811  fixtures of bind_world are named as parameters
"""timeback bind: what it writes, what the bound role then sees on a shared connection, what it refuses."""

import psycopg
import pytest

from bind_world import DISTRICT, NORTH, SOUTH, UNKNOWN, filled, roar_users, students, world  # noqa: F401

# -- what it does ---------------------------------------------------------------------------------


def test_a_role_bound_in_roar_sees_its_organizations_and_no_roster(world):
    """Nothing of the roster, for which it has no binding; and the other way round for who has no --roar."""
    shown = world.bind("bind_north", "--roar", DISTRICT, "--roar", "S1", "--create")
    assert "bind_north is bound to 2 organizations of ROAR:" in shown
    assert f"{DISTRICT}  Lakeside" in shown and "S1  7" in shown
    assert "Default scope of ROAR: *" in shown and "sees nothing of the roster" in shown
    assert [line.split() for line in shown.splitlines() if "roar_users " in line] == [["roar_users", "2"]]
    with world.connect("bind_north") as conn:
        assert roar_users(conn) == ["u1", "u2"]
        for setting, seen in {"*": ["u1", "u2"], "S1, F1": ["u2"], "F1": [], "": []}.items():
            conn.execute("select set_config('app.allowed_roar_org_ids', %s, false)", [setting])
            assert roar_users(conn) == seen
        for setting in ("*", f"{NORTH},{SOUTH}"):
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [setting])
            assert students(conn) == []
    assert "bind_north: 2 organizations" in world.said("bindings")

    world.bind("bind_north", NORTH)
    with world.connect("bind_north") as conn:
        assert students(conn) == ["Ada", "Cab"]
        # its default of ROAR went with the binding
        assert conn.execute("select current_setting('app.allowed_roar_org_ids', true)").fetchone() == (None,)
        for setting in ("*", "S1, F1"):
            conn.execute("select set_config('app.allowed_roar_org_ids', %s, false)", [setting])
            assert roar_users(conn) == []

    world.bind("bind_north", NORTH, "--roar", "S1")
    with world.connect("bind_north") as conn:
        assert (students(conn), roar_users(conn)) == (["Ada", "Cab"], ["u2"])
    world.said("unbind", "bind_north", "--keep-access")
    with world.connect("bind_north") as conn:
        assert (students(conn), roar_users(conn)) == ([], [])


def test_unknown_organizations_of_roar_are_named(world):
    said = world.refusal("bind", "bind_north", "--roar", "S1", "--roar", "F1", "--create")
    assert "no district, school, class, group or family F1. Nothing was changed" in said
    with world.connect() as conn:
        assert conn.execute("select from analytics_internal.roar_scope_binding").fetchall() == []


@pytest.mark.parametrize("target", ["embedded", "server"])
def test_a_new_role_logs_in_and_sees_its_school_and_no_other(world, target):
    shown = world.bind("bind_north", NORTH, "--create", target=target)
    assert "bind_north is bound to 1 organization:" in shown and f"{NORTH}  North" in shown
    assert [line.split() for line in shown.splitlines() if "students " in line] == [["students", "2"]]
    with world.connect("bind_north") as conn:
        assert students(conn) == ["Ada", "Cab"]
        assert conn.execute("select distinct org_ids from analytics.students").fetchall() == [([NORTH],)]
        for setting, seen in [(f"{NORTH},{SOUTH}", ["Ada", "Cab"]), (SOUTH, []), ("", [])]:
            conn.execute("select set_config('app.allowed_org_ids', %s, false)", [str(setting)])
            assert students(conn) == seen


def test_a_new_role_has_no_right_beside_reading(world):
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        rights = conn.execute(
            """select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
            from pg_roles where rolname = 'bind_north'"""
        ).fetchone()
        groups = conn.execute(
            "select roleid::regrole::text from pg_auth_members where member = 'bind_north'::regrole"
        ).fetchall()
        settings = conn.execute(
            """select setconfig from pg_db_role_setting
            where setrole = 'bind_north'::regrole and setdatabase = 0"""
        ).fetchall()
    assert rights == (True, False, False, False, False, False)
    assert settings == [(["jit=off"],)]
    assert sorted(groups) == [("timeback_bound",), ("timeback_reader",)]


def test_the_password_is_asked_for_and_stored_as_a_hash(world):
    output = world.bind("bind_north", NORTH, "--create", "--password", input="open sesame\nopen sesame\n")
    assert "sesame" not in output
    with world.connect() as conn:
        stored = conn.execute("select rolpassword from pg_authid where rolname = 'bind_north'").fetchone()[0]
    assert stored.startswith("SCRAM-SHA-256$")
    assert "open sesame" not in stored


def test_without_being_asked_for_there_is_no_password(world):
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        stored = conn.execute("select rolpassword from pg_authid where rolname = 'bind_north'").fetchone()[0]
    assert stored is None


def test_a_later_binding_replaces_the_earlier(world):
    world.bind("bind_north", SOUTH, "--create")
    world.bind("bind_other", NORTH, "--create")
    world.bind("bind_north", NORTH, NORTH, "--default", f"{{{NORTH}}}")
    assert world.bindings() == {("bind_north", NORTH), ("bind_other", NORTH)}
    with world.connect("bind_north") as conn:
        assert students(conn) == ["Ada", "Cab"]


def test_the_default_can_be_narrower_than_the_binding(world):
    world.bind("bind_both", NORTH, SOUTH, "--create", "--default", SOUTH)
    with world.connect("bind_both") as conn:
        assert students(conn) == ["Bea", "Cab"]
        conn.execute("set app.allowed_org_ids = '*'")
        assert students(conn) == ["Ada", "Bea", "Cab"]


def test_no_default_leaves_the_roles_setting_alone(world):
    with world.connect() as conn:
        conn.execute("create role bind_north login in role timeback_reader")
        conn.execute(f"alter role bind_north set app.allowed_org_ids = '{NORTH}'")
    shown = world.bind("bind_north", NORTH, SOUTH, "--no-default")
    assert f"Default scope: {NORTH}" in shown
    with world.connect("bind_north") as conn:
        assert students(conn) == ["Ada", "Cab"]


def test_showing_changes_nothing_and_lists_all(world):
    assert "No role is bound." in world.said("bindings")
    world.bind("bind_north", NORTH, "--create")
    before = world.bindings()
    assert "bind_north is bound to 1 organization" in world.said("bindings", "bind_north")
    assert world.said("bindings") == "bind_north: 1 organization\n"
    assert world.bindings() == before


def test_an_unbound_role_is_a_reader_no_more(world):
    """Without the binding it could ask for every organization by name."""
    world.bind("bind_north", NORTH, "--create")
    assert "sees nothing any more" in world.said("unbind", "bind_north")
    assert world.bindings() == set()
    with world.connect("bind_north") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        students(conn)


def test_unbinding_takes_the_default_and_can_keep_the_access(world):
    world.bind("bind_north", NORTH, "--create")
    assert "may now ask for any" in world.said("unbind", "bind_north", "--keep-access")
    assert "bind_north is not bound: it may ask for any organization" in " ".join(
        world.said("bindings", "bind_north").split()
    )
    with world.connect("bind_north") as conn:
        assert students(conn) == []
        conn.execute(f"set app.allowed_org_ids = '{SOUTH}'")
        assert students(conn) == ["Bea", "Cab"]


def test_a_role_that_would_read_on_is_not_unbound(world):
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("grant select on analytics.students to bind_north")
    assert "would still read the published views" in world.refusal("unbind", "bind_north")
    assert world.bindings() == {("bind_north", NORTH)}


def test_a_dropped_role_can_be_unbound(world):
    """A role of that name that is made later must not be surprised by it."""
    world.bind("bind_north", NORTH, "--create")
    with world.connect() as conn:
        conn.execute("drop owned by bind_north")
        conn.execute("drop role bind_north")
    assert "no role of this name: dropped" in world.said("bindings")
    world.said("unbind", "bind_north")
    assert world.bindings() == set()


# -- what it says and refuses ---------------------------------------------------------------------


def test_unknown_organizations_are_named_and_nothing_is_done(world):
    said = world.refusal("bind", "bind_north", NORTH, UNKNOWN, "--create")
    assert str(UNKNOWN) in said and str(NORTH) not in said
    assert world.bindings() == set()
    with world.connect() as conn:
        assert not conn.execute("select rolname from pg_roles where rolname = 'bind_north'").fetchone()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bind", "bind_north", NORTH), "There is no role bind_north"),
        (("bind", "postgres", NORTH, "--create"), "Role postgres exists already"),
        (("bind", "bind_north", "Lincoln"), "'Lincoln' is not a valid UUID"),
        (("bind", "bind_north"), "Which organizations?"),
        (("bind",), "Missing argument 'ROLE'"),
        (("unbind", "bind_north"), "bound to nothing"),
        (("bindings", "bind_north"), "There is no role bind_north"),
        (("bind", "bind_north", NORTH, "--password"), "--create makes"),
        (("bind", "bind_north", NORTH, "--create", "--default", "a,b"), 'holds "a"'),
        (
            ("bind", "bind_north", NORTH, "--create", "--default", SOUTH),
            "the role would not be bound",
        ),
        (("bind", "bind_north", NORTH, "--create", "--schema", "elsewhere"), "not deployed"),
    ],
)
def test_refusals(world, arguments, said):
    assert said in world.refusal(*arguments)
    assert world.bindings() == set()


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("superuser", "is a superuser: the binding narrows the published views and nothing else"),
        ("in role timeback_reader, timeback_unrestricted", "which the binding overrides"),
        ("", "is not a member of timeback_reader"),
        (
            "in role timeback_reader, pg_read_all_data",
            "is a member of pg_read_all_data, which reads every table, which its binding does not narrow",
        ),
        ("createrole in role timeback_reader", "may create roles (CREATEROLE)"),
    ],
)
def test_what_a_binding_means_for_other_roles_is_said(world, attributes, said):
    with world.connect() as conn:
        conn.execute(f"create role bind_other login {attributes}")
    assert said in " ".join(world.bind("bind_other", NORTH).split())
    if attributes:
        with world.connect("bind_other") as conn:
            assert students(conn) == ["Ada", "Cab"]


def test_members_of_a_bound_group_are_pointed_out(world):
    with world.connect() as conn:
        conn.execute("create role bind_north in role timeback_reader")
        conn.execute("create role bind_other login in role bind_north")
    assert "bind_other can log in and is bound to nothing" in " ".join(
        world.bind("bind_north", NORTH).split()
    )


def test_whoever_may_not_bind_is_told_so(world):
    world.bind("bind_north", NORTH, "--create")
    world.env["PGUSER"] = "bind_north"
    said = world.refusal("bind", "bind_north", NORTH, SOUTH, target="server")
    assert (
        "bind_north may not read analytics_internal.scope_binding. Connect as the role that deploys" in said
    )
    assert world.bindings() == {("bind_north", NORTH)}
