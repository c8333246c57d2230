"""The command line `timeback`."""

import importlib
import logging
import os
import pkgutil
import tempfile
import traceback
from typing import Any

import click

from timeback_analytics import commands
from timeback_analytics.commands._groups import GroupWithWholeSummaries
from timeback_analytics.errors import TimebackError, sentence_about


class CommandsFromModules(GroupWithWholeSummaries):
    """A group whose subcommands are the modules of timeback_analytics.commands.

    Each module has a click command or group named `command`; my_task.py is `timeback my-task`.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [module.name for module in pkgutil.iter_modules(commands.__path__)]
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{commands.__name__}.{cmd_name.replace('-', '_')}")
        return module.command

    def invoke(self, ctx: click.Context) -> Any:
        # of a connection that broke it warns beside the error that says so
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        try:
            return super().invoke(ctx)
        except TimebackError as error:
            raise click.ClickException(str(error)) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("TIMEBACK_TRACEBACK"):
                raise
            raise click.ClickException(sentence_about(error) or _unforeseen(error)) from error


def _unforeseen(error: Exception) -> str:
    """Keeps the traceback of a fault of ours in a file, and says where."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="timeback-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return f"Something unforeseen, a fault of ours: {text}"
    return f"Something unforeseen, a fault of ours: {text}. Please report it, with {file.name}."


@click.group(cls=CommandsFromModules, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="timeback-analytics")
def main() -> None:
    """Everything about the TimeBack analytics catalog that is not dbt's own."""


if __name__ == "__main__":
    main()
