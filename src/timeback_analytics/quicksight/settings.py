"""What an installation says of itself: account, data source, people, time of the refresh."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from timeback_analytics.errors import TimebackError

PREPARATIONS = ("legacy", "new")
IMPORT_MODES = ("SPICE", "DIRECT_QUERY")
# The tag that says which installation a resource belongs to, by its prefix.
INSTALLATION = "timeback-installation"
# A word that would put a credential into a file that git keeps.
SECRETS = ("password", "passwd", "username", "secret_key", "access_key", "token", "credential")


@dataclass(frozen=True)
class Settings:
    """One installation.

    Attributes:
        account: the AWS account, twelve digits.
        region: the region of QuickSight's data, such as us-east-1.
        host: the database server, as QuickSight reaches it.
        database: the database.
        secret_arn: the secret in Secrets Manager with the login's user name and password.
        partition: of the ARNs: aws, aws-cn or aws-us-gov.
        prefix: what every id and name begins with; letters, digits and hyphens.
        title: what names that people read begin with; empty for none.
        port: the server's port.
        schema: the schema of the views that QuickSight reads.
        vpc_connection_arn: QuickSight's connection into the VPC; empty for a public server.
        import_mode: SPICE or DIRECT_QUERY.
        preparation: legacy data preparation, or the new one.
        row_rules: one service login for many schools, with rules about rows (way b).
        authors: ARNs of users and groups that may change everything.
        readers: ARNs of those that may read dashboards and use the topic.
        refresh_at: when SPICE reads the database, HH:MM: after the nightly job.
        timezone: of refresh_at.
        tags: of every resource.
        organization: the one that the login is bound to; None where that is nobody's business here.
    """

    account: str
    region: str
    host: str
    database: str
    secret_arn: str = ""
    partition: str = "aws"
    prefix: str = "timeback"
    title: str = ""
    port: int = 5432
    schema: str = "analytics_bi"
    vpc_connection_arn: str = ""
    import_mode: str = "SPICE"
    preparation: str = "legacy"
    row_rules: bool = False
    authors: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    refresh_at: str = "04:00"
    timezone: str = "UTC"
    tags: tuple[tuple[str, str], ...] = (("project", "timeback-analytics"),)
    organization: UUID | None = None

    @property
    def all_tags(self) -> list[dict[str, str]]:
        """The tags of every resource, with one that says whose they are: what has it may be cleared away."""
        tags = dict(self.tags) | {INSTALLATION: self.prefix}
        return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]

    def id(self, name: str) -> str:
        """The id of a resource: the prefix, and the name with hyphens."""
        return f"{self.prefix}-{name.replace('_', '-')}"

    def name(self, text: str) -> str:
        """What people read as the resource's name."""
        return f"{self.title}: {text}" if self.title else text

    def arn(self, kind: str, resource_id: str) -> str:
        """The ARN of a resource of QuickSight; kind is dataset, datasource, folder, ..."""
        return f"arn:{self.partition}:quicksight:{self.region}:{self.account}:{kind}/{resource_id}"

    def for_organization(self, organization: UUID, name: str, secret_arn: str) -> "Settings":
        """These settings, for the login that is bound to one organization."""
        if self.row_rules:
            raise TimebackError(
                "A login that is bound to one organization and rules about rows exclude each other: take "
                "row_rules out of the settings, or leave --organization out."
            )
        return replace(
            self,
            organization=organization,
            prefix=f"{self.prefix}-{organization}",
            title=name,
            secret_arn=secret_arn,
        )


def read_settings(path: Path) -> Settings:
    """The settings in a YAML file.

    Raises:
        TimebackError: the file is missing or no YAML, or a setting is missing, unknown, malformed or a
            credential; all that is wrong is named.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TimebackError(
            f"The settings {path} cannot be read: {error.strerror}. deploy/quicksight/settings.yml is an "
            "example."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TimebackError(f"The settings {path} are not YAML: {error}") from error
    if not isinstance(given, dict):
        raise TimebackError(f"The settings {path} are not a list of names with values.")
    problems = _problems(given)
    if problems:
        raise TimebackError(f"The settings {path} have faults:\n" + "\n".join(f"  {one}" for one in problems))
    values = dict(given)
    for name in ("authors", "readers"):
        values[name] = tuple(values.get(name) or ())
    if "tags" in values:
        values["tags"] = tuple(sorted((str(key), str(value)) for key, value in values["tags"].items()))
    return Settings(**values)


def _problems(given: dict[str, Any]) -> list[str]:
    fields = Settings.__dataclass_fields__
    problems = []
    for name in sorted(set(map(str, given)) - set(fields) | set(given) & {"organization"}):
        if any(word in name.lower() for word in SECRETS):
            problems.append(f"{name}: credentials stay in Secrets Manager; name the secret, in secret_arn")
        else:
            problems.append(f"{name}: there is no such setting")
    for name in ("account", "region", "host", "database"):
        if name not in given:
            problems.append(f"{name}: is missing")
    for name, value in given.items():
        if name in fields and name != "organization" and (told := _problem(name, value)):
            problems.append(f"{name}: {told}")
    return problems


PATTERNS = {
    "account": (r"[0-9]{12}", "is not the twelve digits of an account, in quotes"),
    "region": (r"[a-z]{2}(-[a-z]+)+-[0-9]", "is not a region, such as us-east-1"),
    "partition": (r"aws(-[a-z]+)*", "is not a partition, such as aws"),
    "prefix": (r"[A-Za-z0-9-]{1,40}", "is not up to 40 letters, digits and hyphens"),
    "secret_arn": (
        r"|arn:[-a-z0-9]*:secretsmanager:[-a-z0-9]*:[0-9]{12}:secret:.+",
        "is not an ARN of a secret",
    ),
    "vpc_connection_arn": (
        r"|arn:[-a-z0-9]*:quicksight:[-a-z0-9]*:[0-9]{12}:vpcConnection/.+",
        "is not an ARN of a VPC connection of QuickSight",
    ),
    "refresh_at": (r"([01][0-9]|2[0-3]):[0-5][0-9]", "is not a time of day, such as '04:00', in quotes"),
    "host": (r".{1,256}", "is not a host name"),
    "database": (r".{1,128}", "is not a name"),
    "schema": (r".{1,63}", "is not a name"),
    "title": (r".{0,60}", "is longer than 60 characters"),
    "timezone": (r".{1,64}", "is not a time zone"),
}


def _problem(name: str, value: Any) -> str | None:
    if name in PATTERNS:
        pattern, told = PATTERNS[name]
        return None if isinstance(value, str) and re.fullmatch(pattern, value) else told
    if name == "port":
        return None if type(value) is int and 0 < value < 65536 else "is not a port, from 1 to 65535"
    if name == "row_rules":
        return None if isinstance(value, bool) else "is neither true nor false"
    if name in ("import_mode", "preparation"):
        choices = IMPORT_MODES if name == "import_mode" else PREPARATIONS
        return None if value in choices else f"is not one of {', '.join(choices)}"
    if name == "tags":
        return None if isinstance(value, dict) else "is not a list of names with values"
    if not isinstance(value, list | type(None)):
        return "is not a list of ARNs"
    wrong = [
        one for one in value or () if not re.fullmatch(r"arn:[^:]+:quicksight:[^:]*:[0-9]{12}:.+", str(one))
    ]
    return f"{wrong[0]} is not the ARN of a user or group of QuickSight" if wrong else None
