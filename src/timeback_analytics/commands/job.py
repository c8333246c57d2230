"""timeback job: the one command for cron, systemd and CI."""

import sys
from pathlib import Path

import click
import yaml

from timeback_analytics.commands._options import published_schema, target_option
from timeback_analytics.errors import TimebackError
from timeback_analytics.project import project_root, state_dir


class _Variables(click.ParamType):
    """dbt's --vars: YAML that is a dict."""

    name = "yaml"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict:
        try:
            read = yaml.safe_load(value) if isinstance(value, str) else value
        except yaml.YAMLError as error:
            self.fail(f"{value!r} is not YAML: {error}", param, ctx)
        if not isinstance(read, dict):
            self.fail(f"{value!r} is not a dict such as '{{source_schema: ops}}'", param, ctx)
        return read


@click.command(
    epilog="""\b
Exit codes:
  0  green; warnings are in the report
  1  something unforeseen
  2  usage: an option, or a project without profiles.yml
  3  another job runs on this catalog; this one did nothing
  4  no connection, after all retries
  5  the sources: tables or columns are missing, or rows are too old; nothing was deployed
  6  the deploy failed; each view is the last good one
  7  tests failed; the catalog is deployed
  8  the check failed, or a dataset cannot be read; the catalog is deployed
  9  interrupted by SIGINT, SIGTERM or SIGHUP; the next job repairs by itself
  10 somebody who runs no job keeps this one from running; nothing was deployed
  11 the audit: a rule that the scope depends on is broken, or nobody can read; the catalog is deployed
Where several steps fail, the code is the first one's.
"""
)
@target_option
@click.option(
    "--select",
    multiple=True,
    metavar="SELECTION",
    help="Run only the tests of these, in dbt's selection syntax; repeatable.  [default: every data test]",
)
@click.option("--no-tests", is_flag=True, help="Run no tests.")
@click.option("--no-check", is_flag=True, help="Leave out the check of the live catalog (`timeback check`).")
@click.option("--no-audit", is_flag=True, help="Leave out the audit of owners, barriers, grants, functions.")
@click.option(
    "--alert",
    "alert_command",
    default="",
    envvar="TIMEBACK_ALERT",
    metavar="COMMAND",
    help="Run by the shell when the job is not green, with the outcome as JSON.  [default: $TIMEBACK_ALERT]",
)
@click.option(
    "--alert-url",
    default="",
    envvar="TIMEBACK_ALERT_URL",
    metavar="URL",
    help="A webhook that gets the same JSON by POST.  [default: $TIMEBACK_ALERT_URL]",
)
@click.option("--no-rows", is_flag=True, help="Do not count the datasets' rows.")
@click.option(
    "--rows-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long counting one dataset's rows may take.",
)
@click.option(
    "--replace-columns", is_flag=True, help="Allow views whose columns change in a way that readers notice."
)
@click.option(
    "--remove-old-views",
    is_flag=True,
    help="Drop the views of models that are gone, unless an object of another owner depends on them.",
)
@click.option(
    "--vars",
    "variables",
    type=_Variables(),
    default="{}",
    envvar="TIMEBACK_VARS",
    help="dbt's variables, as for dbt: {stored_facts: true} for the stored mode.  [default: $TIMEBACK_VARS]",
)
@click.option("--threads", type=click.IntRange(min=1), help="dbt's threads.  [default: the profile's]")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How often a step whose connection breaks is tried again, after 1, 2, 4, ... 60 seconds.",
)
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the reports.  [default: .timeback/jobs in the project]",
)
@click.option(
    "--keep", type=click.IntRange(min=1), default=30, show_default=True, help="How many reports are kept."
)
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    select: tuple[str, ...],
    no_tests: bool,
    no_check: bool,
    no_audit: bool,
    alert_command: str,
    alert_url: str,
    no_rows: bool,
    rows_timeout: float,
    replace_columns: bool,
    remove_old_views: bool,
    variables: dict,
    threads: int | None,
    retries: int,
    state: Path | None,
    keep: int,
) -> None:
    """Check the sources, deploy the catalog, test it, and write a report; never twice at once.

    People may go on reading meanwhile. TIMEBACK_SCHEMA names the published schema. The report is
    latest/report.html in the folder of the reports, and latest/report.json.
    """
    # dbt takes seconds to import, which other commands need not wait for
    from timeback_analytics.job.options import Options
    from timeback_analytics.job.run import Job

    if no_tests and select:
        raise click.UsageError("--no-tests and --select exclude each other.")
    try:
        project = project_root()
        job = Job(
            Options(
                target=target,
                schema=published_schema(),
                project=project,
                state=(state or state_dir(project) / "jobs").resolve(),
                select=select,
                tests=not no_tests,
                check=not no_check,
                audit=not no_audit,
                alert_command=alert_command,
                alert_url=alert_url,
                rows=not no_rows,
                rows_timeout=rows_timeout,
                variables=variables
                | _flags(replace_columns=replace_columns, remove_old_views=remove_old_views),
                threads=threads,
                retries=retries,
                keep=keep,
            ),
            say=_say,
            on_progress=_show_progress if sys.stdout.isatty() else lambda step, done, total: None,
        )
    except TimebackError as error:
        raise click.UsageError(str(error)) from error
    code, _ = job.run()
    ctx.exit(code)


def _flags(**flags: bool) -> dict[str, bool]:
    """dbt's variables for the flags that were given; the others keep what the project says."""
    return {name: True for name, is_given in flags.items() if is_given}


def _say(line: str) -> None:
    # over the progress that is shown there
    click.echo(f"\r\x1b[K{line}" if sys.stdout.isatty() else line)
    sys.stdout.flush()


def _show_progress(step: str, done: int, total: int) -> None:
    click.echo(f"\r\x1b[K{step:<8} {done} of {total}", nl=False)
