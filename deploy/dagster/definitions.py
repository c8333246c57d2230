"""The catalog as Dagster assets: one a model, with sources above it and the project's dbt tests as checks.

`dagster dev -f definitions.py` shows them; the schedule materializes all of them every hour. One dbt build
does what is selected in Dagster, in the order of the graph.

TIMEBACK_PROJECT is the project's folder, by default the one that this file is in; DBT_TARGET the dbt target;
TIMEBACK_VARS dbt's variables, as for `dbt --vars`.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject, dbt_assets

VARIABLES = ("--vars", os.environ.get("TIMEBACK_VARS") or "{}")
PROJECT = DbtProject(
    project_dir=Path(os.environ.get("TIMEBACK_PROJECT", Path(__file__).resolve().parents[2])),
    target=os.environ.get("DBT_TARGET", "embedded"),
    # which models there are depends on the variables
    prepare_project_cli_args=["parse", "--quiet", *VARIABLES],
)
# `dagster dev` makes dbt's manifest again at each start; before anything else, `dbt parse` does
PROJECT.prepare_if_dev()


@dbt_assets(manifest=PROJECT.manifest_path, project=PROJECT)
def catalog(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """What is selected in Dagster, built and tested by one `dbt build`."""
    yield from dbt.cli(["build", *VARIABLES], context=context).stream()


everything = dg.define_asset_job("timeback_catalog", selection=dg.AssetSelection.assets(catalog))

defs = dg.Definitions(
    assets=[catalog],
    jobs=[everything],
    schedules=[dg.ScheduleDefinition(job=everything, cron_schedule="17 * * * *", execution_timezone="UTC")],
    # the dbt of this environment, whatever PATH says
    resources={
        "dbt": DbtCliResource(project_dir=PROJECT, dbt_executable=str(Path(sys.executable).with_name("dbt")))
    },
)
