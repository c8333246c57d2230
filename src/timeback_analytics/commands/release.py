"""timeback release: what depends on an operational table, and in the way of a change of it."""

from collections.abc import Mapping

import click

from timeback_analytics.catalog.names import our_schemas
from timeback_analytics.commands._options import schema_option, target_option
from timeback_analytics.connection import connect, operational_schema
from timeback_analytics.errors import TimebackError
from timeback_analytics.migrate.dependents import Dependent, dependents_of, oids_of


@click.command()
@click.argument("table")
@click.option("--column", help="Only what reads this column.")
@click.option(
    "--source-schema", help="The operational tables' schema.  [default: operational; on server, public]"
)
@target_option
@schema_option
def command(table: str, column: str | None, source_schema: str | None, target: str, schema: str) -> None:
    """Say what depends on the operational table TABLE: views of this catalog, and others'.

    Nothing is changed. `timeback migrate` drops it for a migration and recreates it.
    """
    place = (source_schema or operational_schema(target), table)
    with connect(target, autocommit=True) as conn:
        conn.execute("select set_config('search_path', '', false)")
        found = oids_of(conn, [place])
        if not found:
            raise TimebackError(f"There is no table {'.'.join(place)}. --source-schema names another schema.")
        (oid,) = found.values()
        dependents = dependents_of(conn, [oid])
        direct: Mapping[int, set[int]] = dependents.columns.get(oid, {})
        if column is not None:
            number = conn.execute(
                "select attnum from pg_catalog.pg_attribute "
                "where attrelid = %s and attname = %s and not attisdropped",
                [oid, column],
            ).fetchone()
            if number is None:
                raise TimebackError(f"{'.'.join(place)} has no column {column}.")
            direct = {view: read for view, read in direct.items() if number[0] in read}
        part = dependents.part(direct)
        ours = our_schemas(schema)
    name = ".".join(place)
    what = f"column {column} of {name}" if column else name
    if not part.objects:
        click.echo(f"Nothing depends on {what}: it can be changed as it is.")
        return
    click.echo(
        f"Views that depend on {what}: {len(part.objects)}; directly: {_labels(part.objects, direct)}."
    )
    published = [one.name for one in part.objects if one.schema == schema]
    if published:
        click.echo(f"\nDatasets: {', '.join(sorted(published))}.")
    others = [one for one in part.objects if one.schema not in ours]
    if others:
        click.echo("\nOther people's: " + ", ".join(f"{one.label} (of {one.owner})" for one in others) + ".")
    if part.obstacles:
        click.echo(f"\nCannot be recreated automatically: {', '.join(part.obstacles)}.")
    click.echo("\nTo change it: timeback migrate --sql FILE drops what is in the way, and recreates it.")


def _labels(objects: tuple[Dependent, ...], direct: Mapping[int, set[int]]) -> str:
    return ", ".join(sorted(one.label for one in objects if one.oid in direct))
