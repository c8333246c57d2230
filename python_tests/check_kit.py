"""`timeback check` on a database of the test server, and what it wrote."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import conninfo_to_dict

from timeback_analytics.cli import main
from timeback_analytics.server import EmbeddedServer


class Check:
    """Runs the command on a database, and keeps what it wrote."""

    def __init__(
        self, server: EmbeddedServer, manifest: Path, folder: Path, environment: pytest.MonkeyPatch
    ) -> None:
        self._server = server
        self._manifest = manifest
        self._folder = folder
        self._environment = environment

    def __call__(self, database: str, *arguments: str, role: str = "postgres") -> Result:
        where = conninfo_to_dict(self._server.dsn(database))
        for name, value in {
            "PGHOST": where["host"],
            "PGPORT": str(where.get("port", 5432)),
            "PGUSER": role,
            "PGDATABASE": database,
        }.items():
            self._environment.setenv(name, value)
        return CliRunner().invoke(
            main,
            [
                *("check", "--target", "server", "--manifest", str(self._manifest)),
                *("--output", str(self._folder), *arguments),
            ],
        )

    @property
    def data(self) -> dict[str, Any]:
        """What the last run wrote as JSON."""
        return json.loads((self._folder / "checkpoint.json").read_text())

    @property
    def page(self) -> str:
        """What the last run wrote as HTML."""
        return (self._folder / "checkpoint.html").read_text()

    def rules(self, dataset: str, status: str) -> set[tuple[str | None, str]]:
        """(column, rule) of a dataset that came to this in the last run."""
        found = self.data["datasets"][dataset]["rules"]
        return {(rule["column"], rule["rule"]) for rule in found if rule["status"] == status}
