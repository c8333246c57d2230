# ruff: noqa: F811  fixtures of quicksight_account are named as parameters
"""What an account refuses, throttles or never gets ready: what is said, and that the next run goes on."""

import json

import pytest
from click.testing import CliRunner

from fake_quicksight import Refusal
from quicksight_account import (  # noqa: F401
    ATTEMPTS,
    ATTEMPTS_ARN,
    account,
    applied,
    description,
    everything,
    fake,
    labels,
    resources,
)
from quicksight_kit import ACCOUNT, SETTINGS_YAML, spoiled
from timeback_analytics.cli import main
from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight import account as account_module
from timeback_analytics.quicksight.account import LOOKS, Account
from timeback_analytics.quicksight.apply import apply
from timeback_analytics.quicksight.plan import plan


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
    assert "Nothing was changed" in result.output and "'SPICY' is not one of" in result.output


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
