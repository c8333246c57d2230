"""The calls to an AWS account, through boto3: refusals become messages, throttled calls are made again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from timeback_analytics.errors import TimebackError

ATTEMPTS = 10
# A resource is made or changed in the background; so many looks, two seconds apart, until it must be ready.
LOOKS, PAUSE = 60, 2.0
IN_PROGRESS = ("CREATION_IN_PROGRESS", "UPDATE_IN_PROGRESS")
FAILED = ("CREATION_FAILED", "UPDATE_FAILED")


class Account:
    """QuickSight in one account and region.

    Attributes:
        account: the account's twelve digits.
        client: a boto3 client of QuickSight.
        pause: waits so many seconds.
    """

    def __init__(self, account: str, client: Any, pause: Callable[[float], None] = time.sleep) -> None:
        self.account, self.client, self.pause = account, client, pause

    def call(self, operation: str, what: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to an operation, such as CreateDataSet.

        Raises:
            TimebackError: it was refused; the message names `what` it was about and the service's reason.
        """
        answer = self._call(operation, what, parameters, may_be_missing=False)
        assert answer is not None
        return answer

    def look(self, operation: str, what: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to an operation, None where the service says that there is no such thing."""
        return self._call(operation, what, parameters, may_be_missing=True)

    def _call(
        self, operation: str, what: str, parameters: Mapping[str, Any], may_be_missing: bool
    ) -> dict[str, Any] | None:
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self.client, xform_name(operation))(**parameters)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if may_be_missing and code == "ResourceNotFoundException":
                return None
            message = error.response.get("Error", {}).get("Message") or code
            raise TimebackError(f"{what}: {operation} was refused: {message} ({code})") from error
        except BotoCoreError as error:
            raise TimebackError(f"{what}: {operation} was not sent: {error}") from error

    def pages(self, operation: str, what: str, member: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
        """The entries of a listing, page after page."""
        token: dict[str, str] = {}
        while True:
            answer = self.call(operation, what, {**parameters, **token})
            yield from answer.get(member) or ()
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def wait(self, what: str, status: Callable[[], tuple[str, Any]]) -> None:
        """Wait until a resource is ready.

        Args:
            what: how messages name it.
            status: gives its status, and what the service says of errors.

        Raises:
            TimebackError: it failed, or is not ready in two minutes.
        """
        for look in range(LOOKS):
            now, errors = status()
            if now in FAILED:
                raise TimebackError(f"{what}: {now}: {_told(errors)}")
            if now not in IN_PROGRESS:
                return
            if look + 1 < LOOKS:
                self.pause(PAUSE)
        raise TimebackError(
            f"{what}: it is not ready after {LOOKS * PAUSE:.0f} seconds. Run this again later."
        )


def _told(errors: Any) -> str:
    given = errors if isinstance(errors, list) else [errors] if errors else []
    told = [f"{one.get('Type', '')}: {one.get('Message', '')}".strip(": ") for one in given]
    return "; ".join(told) or "the service gives no reason"


def connect_account(account: str, region: str) -> Account:
    """The account that the environment's credentials lead to, as boto3 looks for them.

    Raises:
        TimebackError: boto3 is not installed, there are no credentials, or they are another account's.
    """
    session, config = _session(region)
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = session.client("sts", config=config).get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise TimebackError(
            f"AWS does not say who you are: {error}. boto3 looks for credentials in the environment, in "
            "~/.aws and in the machine's role; `aws sts get-caller-identity` shows what it finds."
        ) from error
    if found != account:
        raise TimebackError(f"The credentials are account {found}'s, and the settings say {account}.")
    return Account(account, session.client("quicksight", config=config))


def secrets_client(region: str) -> Any:
    """A boto3 client of Secrets Manager.

    Raises:
        TimebackError: boto3 is not installed.
    """
    session, config = _session(region)
    return session.client("secretsmanager", config=config)


def _session(region: str) -> tuple[Any, Any]:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise TimebackError(
            "This needs boto3, which the extra `quicksight` brings: "
            "pip install 'timeback-analytics[quicksight]'."
        ) from error
    config = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS})
    return boto3.session.Session(region_name=region), config
