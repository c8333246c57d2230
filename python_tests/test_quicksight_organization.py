# ruff: noqa: F811  fixtures of quicksight_account are named as parameters
"""One organization in QuickSight: a bound login and everything of its own, by the commands."""

import json

import psycopg
import pytest
from click.testing import CliRunner

# -- an organization's own ------------------------------------------------------------------------
from quicksight_account import fake  # noqa: F401
from quicksight_kit import SETTINGS_YAML
from timeback_analytics.cli import main
from timeback_analytics.quicksight import account as account_module
from timeback_analytics.quicksight.account import Account


@pytest.fixture
def world(
    semantic_manifest, fake, manifest, embedded_server, people_database, new_database, tmp_path, monkeypatch
):
    """The commands against the fake account and a catalog with people in it; run(command, ...) -> result."""
    database = new_database("quicksight_people", template=people_database)
    monkeypatch.setenv("TIMEBACK_EMBEDDED_HOST", str(embedded_server.socket_dir))
    monkeypatch.setenv("TIMEBACK_EMBEDDED_DATABASE", database)
    monkeypatch.setattr(account_module, "secrets_client", lambda region: fake.client("secretsmanager"))
    monkeypatch.setattr(
        account_module,
        "connect_account",
        lambda account, region: Account(account, fake.client(), pause=lambda seconds: None),
    )
    settings = "\n".join(line for line in SETTINGS_YAML.splitlines() if not line.startswith("secret_arn"))
    (tmp_path / "quicksight.yml").write_text(settings)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "semantic_manifest.json").write_text(json.dumps(semantic_manifest))
    with psycopg.connect(embedded_server.dsn(database), autocommit=True) as conn:

        def run(command, *arguments):
            given = ["--settings", tmp_path / "quicksight.yml", "--manifest", tmp_path / "manifest.json"]
            return CliRunner().invoke(main, ["quicksight", command, *map(str, [*arguments, *given])])

        run.conn, run.database = conn, database
        conn.execute("set app.allowed_org_ids = '*'")
        organization, name = conn.execute(
            """select organization.id, organization.name
            from operational.one_roster_organization as organization
            where organization.id in (select unnest(org_ids) from analytics.students)
            order by organization.id
            limit 1"""
        ).fetchone()
        run.organization, run.name = organization, name
        run.role = f"quicksight_{organization.hex}"
        yield run
        conn.execute(f"drop owned by {run.role}") if run_role(conn, run.role) else None
        conn.execute(f"drop role if exists {run.role}")


def run_role(conn, role):
    return conn.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()


def test_an_organization_gets_a_bound_login_and_everything_of_its_own(world, fake, embedded_server):
    planned = world("plan", "--organization", world.organization)
    assert planned.exit_code == 0, planned.output
    assert fake.writes == [] and run_role(world.conn, world.role) is None

    applied = world("apply", "--organization", world.organization)
    assert applied.exit_code == 0, applied.output
    assert f"{world.role} is bound to {world.name}" in applied.output
    (secret,) = fake.secrets.values()
    login = json.loads(secret)
    assert login["username"] == world.role and len(login["password"]) >= 32
    assert login["password"] not in applied.output
    source = fake.kept["DataSource", f"timeback-{world.organization}-postgres"]
    assert source["Credentials"]["SecretArn"].endswith(f"timeback/quicksight/{world.organization}-AbCdEf")
    names = {given["Name"] for (kind, _), given in fake.kept.items() if kind in ("DataSet", "Dashboard")}
    assert all(name.startswith(f"{world.name}: ") for name in names)
    assert all(one_id.startswith(f"timeback-{world.organization}-") for _, one_id in fake.kept)
    bound = world.conn.execute(
        "select org_id from analytics_internal.scope_binding where role_name = %s", [world.role]
    ).fetchall()
    assert bound == [(world.organization,)]
    with psycopg.connect(embedded_server.dsn(world.database, world.role)) as conn:
        seen = conn.execute("select distinct unnest(org_ids) from analytics.students").fetchall()
        assert seen == [(world.organization,)]

    fake.writes.clear()
    again = world("apply", "--organization", world.organization)
    assert again.exit_code == 0 and fake.writes == [], again.output
    assert fake.secrets == {f"timeback/quicksight/{world.organization}": secret}


def test_a_login_that_was_dropped_gets_the_password_that_the_secret_holds(world, fake):
    assert world("apply", "--organization", world.organization).exit_code == 0
    secrets = dict(fake.secrets)
    world.conn.execute(f"drop owned by {world.role}")
    world.conn.execute(f"drop role {world.role}")
    result = world("apply", "--organization", world.organization)
    assert result.exit_code == 0, result.output
    assert fake.secrets == secrets and run_role(world.conn, world.role)


def test_a_login_without_its_secret_is_left_alone(world, fake):
    world.conn.execute(f"create role {world.role} login")
    result = world("apply", "--organization", world.organization)
    assert result.exit_code == 1 and "Drop the role" in result.output
    assert fake.writes == []


def test_an_organization_that_is_not_there(world, fake):
    result = world("apply", "--organization", "00000000-0000-4000-8000-00000000dead")
    assert result.exit_code == 1 and "no organization 00000000-0000-4000-8000-00000000dead" in result.output
    assert fake.writes == []


def test_row_rules_and_a_bound_login_exclude_each_other(world, fake, tmp_path):
    path = tmp_path / "quicksight.yml"
    path.write_text(path.read_text() + "\nrow_rules: true\n")
    result = world("apply", "--organization", world.organization)
    assert result.exit_code == 1 and "exclude each other" in result.output
    assert fake.writes == []


def test_the_commands_plan_apply_and_delete(world, fake, tmp_path):
    path = tmp_path / "quicksight.yml"
    path.write_text(SETTINGS_YAML)
    planned = world("plan")
    assert "data-sets/attempts: create" in planned.output
    assert "133 resources, 133 would change." in planned.output
    applied = world("apply")
    assert "133 resources, 133 changed." in applied.output, applied.output
    assert "133 resources, none would change." in world("plan").output
    refused = world("delete")
    assert refused.exit_code == 1 and fake.kept
    assert "133 resources deleted." in world("delete", "--yes").output
    assert fake.kept == {}
