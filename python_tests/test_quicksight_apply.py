"""plan, apply and delete against an account inside botocore's events: nothing is sent to AWS."""

import copy
import dataclasses
import json
import random
from uuid import UUID

import psycopg
import pytest
from click.testing import CliRunner

from fake_quicksight import FakeAccount, Refusal
from quicksight_kit import ACCOUNT, ANALYSTS, SETTINGS, SETTINGS_YAML, TEACHERS, spoiled, within
from timeback_analytics.cli import main
from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight import account as account_module
from timeback_analytics.quicksight.account import LOOKS, Account
from timeback_analytics.quicksight.apply import apply, delete
from timeback_analytics.quicksight.plan import left_over, plan
from timeback_analytics.quicksight.render import describe, render

SOME = (
    "folders/catalog",
    "folders/activity",
    "folders/mastery",
    "folders/insights",
    "data-sources/postgres",
    "data-sets/attempts",
    "data-sets/sessions",
    "data-sets/students-xp",
    "refresh-schedules/attempts",
    "topics/catalog",
    "analyses/school-week",
    "dashboards/school-week",
)
ATTEMPTS = "data-sets/attempts"
ATTEMPTS_ARN = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:dataset/timeback-attempts"


@pytest.fixture(scope="session")
def description(manifest, semantic_manifest):
    return describe(manifest, semantic_manifest)


@pytest.fixture(scope="session")
def everything(description):
    return render(description, SETTINGS)


@pytest.fixture
def resources(everything):
    return [one for one in everything if one.label in SOME]


@pytest.fixture
def fake():
    return FakeAccount()


@pytest.fixture
def account(fake):
    return Account(ACCOUNT, fake.client(), pause=lambda seconds: None)


@pytest.fixture
def applied(fake, account, resources):
    apply(plan(resources, account), account)
    fake.writes.clear()
    fake.calls.clear()
    return fake


def labels(changes):
    return {change.resource.label: change.action for change in changes if change.is_change}


def test_an_empty_account_gets_everything_in_an_order_that_works(fake, account, everything):
    changes = plan(everything, account)
    assert {change.action for change in changes} == {"create"}
    assert fake.writes == []
    assert apply(changes, account) == len(everything)
    made = {one_id for kind, one_id in fake.kept if kind == "DataSet"}
    assert len(made) == 58 and len(fake.schedules) == 58
    assert fake.permissions[ATTEMPTS_ARN].keys() == {ANALYSTS, TEACHERS}
    topic = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:topic/timeback-catalog"
    assert fake.permissions[topic].keys() == {ANALYSTS, TEACHERS}
    before = copy.deepcopy(fake.kept)
    again = plan(everything, account)
    assert labels(again) == {}
    fake.writes.clear()
    assert apply(again, account) == 0
    assert fake.writes == [] and fake.kept == before


def test_row_rules_and_the_new_preparation_are_idempotent_too(description):
    for variant in ({"row_rules": True}, {"preparation": "new"}, {"row_rules": True, "preparation": "new"}):
        fake = FakeAccount()
        account = Account(ACCOUNT, fake.client(), pause=lambda seconds: None)
        resources = render(description, dataclasses.replace(SETTINGS, **variant))
        apply(plan(resources, account), account)
        assert labels(plan(resources, account)) == {}, variant
        if "row_rules" in variant:
            order = [one_id for operation, one_id in fake.writes if operation == "CreateDataSet"]
            assert order.index("timeback-row-rules") < order.index("timeback-attempts")


def test_one_description_changed_is_one_update(applied, account, resources):
    def spoil(given):
        next(iter(within(given, "ColumnDescription")))["Text"] = "Who it was."

    changed = spoiled(resources, ATTEMPTS, spoil)
    changes = plan(changed, account)
    assert labels(changes) == {ATTEMPTS: "update"}
    (change,) = (one for one in changes if one.is_change)
    assert change.lines == [
        "LogicalTableMap.attempts.DataTransforms[9].TagColumnOperation.Tags[0].ColumnDescription.Text: "
        "The student, a UUID: students.id, which is the id of the OneRoster user. Never null. "
        "becomes Who it was."
    ]
    assert apply(changes, account) == 1
    assert applied.writes == [("UpdateDataSet", "timeback-attempts")]
    assert applied.permissions[ATTEMPTS_ARN].keys() == {ANALYSTS, TEACHERS}
    assert labels(plan(changed, account)) == {}


def test_the_order_of_sets_is_no_change(applied, account, resources):
    shuffler = random.Random(17)

    def shuffle(value):
        if isinstance(value, dict):
            for name in ("InputColumns", "columns", "Actions", "Permissions", "Tags", "ProjectedColumns"):
                if isinstance(value.get(name), list):
                    shuffler.shuffle(value[name])
            for inner in value.values():
                shuffle(inner)
        elif isinstance(value, list):
            for inner in value:
                shuffle(inner)

    for label in SOME:
        if label.startswith(("data-", "folders")):
            assert labels(plan(spoiled(resources, label, shuffle), account)) == {}, label


def _drop(given, column, name):
    (table,) = given["PhysicalTableMap"].values()
    inner = table["RelationalTable"]
    inner["InputColumns"] = [one for one in inner["InputColumns"] if one["Name"] != column]
    given["LogicalTableMap"]["attempts"]["DataTransforms"] = [
        one
        for one in given["LogicalTableMap"]["attempts"]["DataTransforms"]
        if one.get("RenameColumnOperation", {}).get("ColumnName") != column
        and one.get("TagColumnOperation", {}).get("ColumnName") != name
    ]
    for columns in [*within(given, "ProjectedColumns"), *within(given, "columns")]:
        if name in columns:
            columns.remove(name)


def _retype(given, column, kind):
    (table,) = given["PhysicalTableMap"].values()
    for one in table["RelationalTable"]["InputColumns"]:
        if one["Name"] == column:
            one["Type"] = kind


@pytest.mark.parametrize(
    ("spoil", "lost"),
    [
        (lambda p: _drop(p, "is_correct", "Is correct"), "the field Is correct goes"),
        (lambda p: _retype(p, "is_correct", "STRING"), "the field Is correct becomes STRING; it is INTEGER"),
        (
            lambda p: _retype(p, "duration_sec", "INTEGER"),
            "the field Duration (seconds) becomes INTEGER; it is DECIMAL",
        ),
    ],
)
def test_a_column_that_goes_or_changes_its_type_needs_force(applied, account, resources, spoil, lost):
    changed = spoiled(resources, ATTEMPTS, spoil)
    changed = spoiled(changed, "data-sets/sessions", lambda given: given.update(Name="Sessions, all"))
    changes = plan(changed, account)
    with pytest.raises(TimebackError) as error:
        apply(changes, account)
    assert lost in str(error.value) and "Nothing was changed" in str(error.value)
    assert applied.writes == []
    assert apply(changes, account, force=True) == 2
    assert ("UpdateDataSet", "timeback-attempts") in applied.writes
    assert labels(plan(changed, account)) == {}


def test_a_new_column_needs_no_force(applied, account, resources, everything):
    for key in applied.kept:
        if key == ("DataSet", "timeback-attempts"):
            _drop(applied.kept[key], "is_correct", "Is correct")
    changes = plan(resources, account)
    assert labels(changes) == {ATTEMPTS: "update"}
    assert apply(changes, account) == 1


def test_another_data_preparation_is_made_anew_under_the_same_id(applied, account, description):
    newer = render(description, dataclasses.replace(SETTINGS, preparation="new"))
    newer = [one for one in newer if one.label in SOME and not one.label.startswith("topics")]
    changes = plan(newer, account)
    with pytest.raises(TimebackError, match="the other kind of data preparation"):
        apply(changes, account)
    assert applied.writes == []
    apply(changes, account, force=True)
    wanted = [("DeleteDataSet", "timeback-attempts"), ("CreateDataSet", "timeback-attempts")]
    assert [one for one in applied.writes if one in wanted] == wanted
    assert ("timeback-attempts", "nightly") in applied.schedules
    assert labels(plan(newer, account)) == {}


def test_a_bad_enum_is_refused_before_anything_is_sent(fake, everything, tmp_path, monkeypatch):
    monkeypatch.setattr(account_module, "connect_account", lambda *_: pytest.fail("it connected"))
    from timeback_analytics.quicksight.resources import write

    write(spoiled(everything, ATTEMPTS, lambda given: given.update(ImportMode="SPICY")), tmp_path / "out")
    (tmp_path / "quicksight.yml").write_text(SETTINGS_YAML)
    result = CliRunner().invoke(
        main,
        [
            "quicksight",
            "apply",
            "--from",
            str(tmp_path / "out"),
            "--settings",
            str(tmp_path / "quicksight.yml"),
        ],
    )
    assert result.exit_code == 1
    assert "Nothing was changed" in result.output and "'SPICY' is none of" in result.output


def test_what_the_service_refuses_is_told_and_the_next_run_goes_on(fake, account, resources):
    changed = spoiled(resources, "data-sets/sessions", lambda given: given.update(ImportMode="SPICY"))
    with pytest.raises(TimebackError) as error:
        apply(plan(changed, account), account)
    assert "data-sets/sessions: CreateDataSet was refused: ImportMode SPICY is not valid" in str(error.value)
    assert "run this again" in str(error.value)
    made = [one_id for kind, one_id in fake.kept if kind == "DataSet"]
    assert made == ["timeback-attempts"]
    apply(plan(resources, account), account)
    assert labels(plan(resources, account)) == {}
    assert fake.writes.count(("CreateDataSet", "timeback-attempts")) == 1


def test_a_data_source_that_is_missing_is_made_again_or_named(applied, account, resources):
    del applied.kept["DataSource", "timeback-postgres"]
    assert labels(plan(resources, account)) == {"data-sources/postgres": "create"}
    del applied.kept["DataSet", "timeback-attempts"]
    del applied.schedules["timeback-attempts", "nightly"]
    without = [one for one in resources if one.kind.name != "data-sources"]
    with pytest.raises(TimebackError, match="The data source timeback-postgres does not exist"):
        apply(plan(without, account), account)
    apply(plan(resources, account), account)
    assert labels(plan(resources, account)) == {}


def test_a_data_source_that_cannot_connect_says_why_and_nothing_is_built_on_it(fake, account, resources):
    fake.failing["timeback-postgres"] = "the host is unreachable"
    with pytest.raises(TimebackError, match="CONNECTION_FAILURE: the host is unreachable"):
        apply(plan(resources, account), account)
    assert not [key for key in fake.kept if key[0] == "DataSet"]


def test_a_resource_that_is_never_ready_is_not_waited_for_for_ever(fake, account, resources):
    waited = []
    account.pause = waited.append
    fake.looks = _Always(0)
    with pytest.raises(TimebackError, match="not ready after 120 seconds"):
        apply(plan(resources, account), account)
    assert len(waited) == LOOKS - 1


class _Always(dict):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def __getitem__(self, key):
        return 1

    def __setitem__(self, key, value):
        pass


def test_a_permission_changed_in_the_console_is_set_right(applied, account, resources):
    guest = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:user/default/guest"
    granted = applied.permissions[ATTEMPTS_ARN]
    granted[guest] = {"quicksight:PassDataSet", "quicksight:DescribeDataSet"}
    granted[TEACHERS].add("quicksight:DeleteDataSet")
    granted[ANALYSTS].discard("quicksight:UpdateDataSet")
    changes = plan(resources, account)
    (change,) = (one for one in changes if one.is_change)
    assert change.resource.label == ATTEMPTS and change.action == "unchanged"
    assert (
        f"Permissions: {guest} may no longer quicksight:DescribeDataSet, quicksight:PassDataSet"
        in change.lines
    )
    assert f"Permissions: {TEACHERS} may no longer quicksight:DeleteDataSet" in change.lines
    assert f"Permissions: {ANALYSTS} may quicksight:UpdateDataSet" in change.lines
    assert apply(changes, account) == 1
    assert set(applied.writes) == {("UpdatePermissions", "timeback-attempts")}
    assert not granted[guest]
    assert "quicksight:DeleteDataSet" not in granted[TEACHERS]
    assert "quicksight:UpdateDataSet" in granted[ANALYSTS]
    assert labels(plan(resources, account)) == {}


def test_tags_and_folders_are_asked_for_and_set(applied, account, resources):
    applied.tags[ATTEMPTS_ARN] = {"project": "other", "cost-center": "7"}
    applied.folders[ATTEMPTS_ARN] = {"arn:of:a:folder/of-somebody"}
    changes = plan(resources, account)
    assert labels(changes) == {ATTEMPTS: "unchanged"}
    apply(changes, account)
    assert applied.writes == [
        ("TagResource", "timeback-attempts"),
        ("CreateFolderMembership", "timeback-attempts"),
    ]
    assert applied.tags[ATTEMPTS_ARN]["project"] == "timeback-analytics"
    assert applied.tags[ATTEMPTS_ARN]["cost-center"] == "7"
    assert "arn:of:a:folder/of-somebody" in applied.folders[ATTEMPTS_ARN]
    assert labels(plan(resources, account)) == {}


def test_row_rules_that_somebody_took_away_come_back(description):
    fake = FakeAccount()
    account = Account(ACCOUNT, fake.client(), pause=lambda seconds: None)
    resources = render(description, dataclasses.replace(SETTINGS, row_rules=True))
    apply(plan(resources, account), account)
    del fake.kept["DataSet", "timeback-attempts"]["RowLevelPermissionDataSet"]
    fake.kept["DataSet", "timeback-sessions"]["RowLevelPermissionDataSet"]["Status"] = "DISABLED"
    fake.kept["DataSet", "timeback-courses"]["RowLevelPermissionTagConfiguration"] = {
        "TagRules": [{"TagKey": "x", "ColumnName": "ID"}]
    }
    assert labels(plan(resources, account)) == dict.fromkeys(
        (ATTEMPTS, "data-sets/sessions", "data-sets/courses"), "update"
    )
    apply(plan(resources, account), account)
    assert fake.kept["DataSet", "timeback-attempts"]["RowLevelPermissionDataSet"]["Status"] == "ENABLED"
    assert labels(plan(resources, account)) == {}


def test_a_dashboard_that_changed_is_published(applied, account, resources):
    changed = spoiled(
        resources,
        "dashboards/school-week",
        lambda given: given["Definition"]["CalculatedFields"][0].update(Expression="max({ID})"),
    )
    changes = plan(changed, account)
    assert labels(changes) == {"dashboards/school-week": "update"}
    apply(changes, account)
    assert applied.published["timeback-school-week"] == 2
    assert labels(plan(changed, account)) == {}


def test_a_visual_added_in_the_console_is_a_change(applied, account, resources):
    definition = applied.kept["Dashboard", "timeback-school-week"]["Definition"]
    definition["Sheets"][0]["Visuals"].append({"KPIVisual": {"VisualId": "own"}})
    (change,) = (one for one in plan(resources, account) if one.is_change)
    assert change.lines == ["Definition.Sheets[0].Visuals: 10 entries become 9"]


def test_nothing_is_deleted_unless_asked_and_then_only_this_installation(
    applied, account, resources, description
):
    organization = UUID("1a2b3c4d-1111-2222-3333-444455556666")
    theirs = render(description, SETTINGS.for_organization(organization, "North", SETTINGS.secret_arn))
    apply(plan([one for one in theirs if one.label in SOME], account), account)
    test = render(description, dataclasses.replace(SETTINGS, prefix="timeback-test"))
    apply(plan([one for one in test if one.label in SOME], account), account)
    fewer = [one for one in resources if one.name != "students-xp"]
    before = set(applied.kept)
    apply(plan(fewer, account), account)
    assert set(applied.kept) == before
    old = left_over(fewer, account)
    assert [one.label for one in old] == ["data-sets/timeback-students-xp"]
    assert delete(old, account) == 1
    assert set(applied.kept) == before - {("DataSet", "timeback-students-xp")}
    assert delete(old, account) == 0


def test_delete_takes_the_last_made_first(applied, account, resources):
    told = []
    assert delete(resources, account, told.append) == len(resources)
    assert applied.kept == {} and applied.schedules == {}
    assert told[0].startswith("dashboards/") and told[-1].startswith("folders/")
    assert applied.writes[-1] == ("DeleteFolder", "timeback-catalog")
    assert delete(resources, account) == 0


def test_a_throttled_call_is_made_again(resources, monkeypatch):
    """Below botocore's retries, so that they are the ones that are seen."""
    import boto3
    from botocore.awsrequest import AWSResponse

    class Raw:
        def __init__(self, body):
            self.body = body

        def stream(self, *_, **__):
            yield self.body

    sent, slept = [], []
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)
    answers = [(429, {"__type": "ThrottlingException", "message": "slow down"})] * 3 + [(200, {"Tags": []})]

    def answer(request, **_):
        sent.append(request.url)
        status, body = answers[min(len(sent), len(answers)) - 1]
        headers = {"x-amzn-ErrorType": body.get("__type", ""), "content-type": "application/json"}
        return AWSResponse(request.url, status, headers, Raw(json.dumps(body).encode()))

    session, config = account_module._session("us-east-1")
    assert session.region_name == "us-east-1"
    client = boto3.client(
        "quicksight", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y", config=config
    )
    client.meta.events.register("before-send.quicksight", answer)
    account = Account(ACCOUNT, client)
    assert account.call("ListTagsForResource", "x", {"ResourceArn": ATTEMPTS_ARN})["Tags"] == []
    assert len(sent) == 4 and len(slept) == 3
    answers[:] = [(429, {"__type": "ThrottlingException", "message": "slow down"})]
    with pytest.raises(TimebackError, match=r"slow down \(ThrottlingException\)"):
        account.call("ListTagsForResource", "x", {"ResourceArn": ATTEMPTS_ARN})
    assert len(sent) == 4 + account_module.ATTEMPTS


def test_refused_access_is_a_message(fake, account, resources):
    def refuse(operation, parameters):
        if operation == "DescribeDataSet":
            raise Refusal(
                "AccessDeniedException", "User is not authorized to perform quicksight:DescribeDataSet"
            )

    fake.before = refuse
    with pytest.raises(
        TimebackError, match=r"data-sets/attempts: DescribeDataSet was refused: .*not authorized"
    ):
        plan(resources, account)


def test_without_credentials_or_with_another_accounts(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(TimebackError, match="AWS does not say who you are"):
        account_module.connect_account(ACCOUNT, "us-east-1")


# -- an organization's own ------------------------------------------------------------------------


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
