"""The command line `timeback`."""

import importlib
import pkgutil
from typing import Any

import click

from timeback_analytics import commands
from timeback_analytics.errors import TimebackError


class CommandsFromModules(click.Group):
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
        try:
            return super().invoke(ctx)
        except TimebackError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=CommandsFromModules, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="timeback-analytics")
def main() -> None:
    """Everything about the TimeBack analytics catalog that is not dbt's own."""


if __name__ == "__main__":
    main()
