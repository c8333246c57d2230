"""One organization's own login: bound in the database, its password in Secrets Manager and nowhere else."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import sql

from timeback_analytics import binding
from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.settings import Settings


@dataclass(frozen=True)
class Login:
    """The login of an organization's data source.

    Attributes:
        role: the database role.
        name: the organization's.
        secret_name: the secret's.
        secret_arn: the secret's; empty where it is not made yet.
        exists: whether the role does.
    """

    role: str
    name: str
    secret_name: str
    secret_arn: str
    exists: bool


def look_up(settings: Settings, organization: UUID, catalog: binding.Catalog, client: Any) -> Login:
    """What there is of the login; nothing is changed.

    Args:
        settings: the installation's, not yet an organization's.
        organization: its id.
        catalog: the deployed catalog.
        client: of Secrets Manager.

    Raises:
        TimebackError: there is no such organization, or Secrets Manager does not answer.
    """
    found = catalog.conn.execute(
        sql.SQL("select name from {} where org_id = %s").format(
            catalog.name_of("stg_one_roster_organization")
        ),
        [organization],
    ).fetchone()
    if found is None:
        raise TimebackError(
            f"The operational tables have no organization {organization}. Nothing was changed."
        )
    role = f"quicksight_{organization.hex}"
    exists = bool(
        catalog.conn.execute("select from pg_catalog.pg_roles where rolname = %s", [role]).fetchall()
    )
    secret_name = f"{settings.prefix}/quicksight/{organization}"
    described = _secret(client, "describe_secret", secret_name)
    return Login(role, found[0] or str(organization), secret_name, (described or {}).get("ARN", ""), exists)


def make_login(
    settings: Settings, organization: UUID, login: Login, catalog: binding.Catalog, client: Any
) -> Login:
    """Make what is missing of the login, and bind it to the organization and nothing else.

    The secret comes first: a login whose password nobody has is of no use, and a secret without a login is
    taken up by the next run.

    Raises:
        TimebackError: the role is there and its secret is not, or one of the services refuses.
    """
    if login.exists and not login.secret_arn:
        raise TimebackError(
            f"The role {login.role} is there, and no secret {login.secret_name} with its password. "
            "Nothing was changed. Drop the role, so that both are made, or make the secret."
        )
    password = None
    arn = login.secret_arn
    if not arn:
        password = secrets.token_urlsafe(32)
        text = _secret_text(settings, login.role, password)
        made = _secret(client, "create_secret", login.secret_name, SecretString=text)
        arn = (made or {})["ARN"]
    elif not login.exists:
        kept = _secret(client, "get_secret_value", login.secret_name) or {}
        try:
            password = json.loads(kept["SecretString"])["password"]
        except (KeyError, TypeError, ValueError):
            raise TimebackError(
                f"The secret {login.secret_name} holds no password. Nothing was changed."
            ) from None
    binding.bind(catalog, login.role, [organization], create=not login.exists, password=password)
    catalog.conn.commit()
    return Login(login.role, login.name, login.secret_name, arn, True)


def _secret_text(settings: Settings, role: str, password: str) -> str:
    """The shape that QuickSight reads, which is Secrets Manager's own for a database."""
    return json.dumps(
        {
            "engine": "postgres",
            "host": settings.host,
            "port": settings.port,
            "dbname": settings.database,
            "username": role,
            "password": password,
        }
    )


def _secret(client: Any, call: str, name: str, **parameters: Any) -> dict[str, Any] | None:
    from botocore.exceptions import BotoCoreError, ClientError

    id_name = "Name" if call == "create_secret" else "SecretId"
    try:
        return getattr(client, call)(**{id_name: name}, **parameters)
    except ClientError as error:
        told = error.response.get("Error", {})
        if call == "describe_secret" and told.get("Code") == "ResourceNotFoundException":
            return None
        raise TimebackError(f"Secrets Manager, {name}: {told.get('Message') or told.get('Code')}") from error
    except BotoCoreError as error:
        raise TimebackError(f"Secrets Manager, {name}: {error}") from error
