"""Data sets: one description of tables, joins and fields, written for either kind of data preparation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from timeback_analytics.errors import TimebackError
from timeback_analytics.quicksight.names import table_key, title
from timeback_analytics.quicksight.permissions import permissions
from timeback_analytics.quicksight.preparation import legacy_preparation, new_preparation
from timeback_analytics.quicksight.relations import Column, Relation
from timeback_analytics.quicksight.settings import Settings

ORG_ID = "org_id"
RULES = "row_rules"
DATA_SOURCE = "postgres"


@dataclass(frozen=True)
class Added:
    """Columns of another dataset, joined to the rows of the first by one column.

    Attributes:
        by: the column here: of the base, or added before.
        to_relation: the other dataset.
        to_column: its key.
        columns: its column -> the name here.
    """

    by: str
    to_relation: str
    to_column: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Field:
    """A field of a data set: a column as people see it."""

    column: str
    title: str
    output_type: str
    description: str
    folder: str


@dataclass(frozen=True)
class DataSet:
    """A data set: a dataset, with columns of others where dashboards need them.

    Attributes:
        name: the dataset's, or a dashboard's own name for it.
        title: as a person reads it.
        base: the dataset whose rows it has.
        added: what is joined to them.
    """

    name: str
    title: str
    base: Relation
    added: tuple[Added, ...] = ()

    def fields(self, relations: Mapping[str, Relation], row_rules: bool = False) -> tuple[Field, ...]:
        """Its fields, in the order of the columns.

        Args:
            relations: the datasets.
            row_rules: whether rows are told apart by org_id, one row for each organization.
        """
        domain = title(self.base.domain)
        is_split = row_rules and self.base.org_column
        fields = [
            _field(column, column.name, f"{domain}/{column.folder}")
            for column in self.base.columns
            if not (is_split and column.name == "org_ids")
        ]
        for added in self.added:
            other = relations[added.to_relation]
            fields += [
                _field(other.column(column), name, f"{domain}/{title(added.to_relation)}")
                for column, name in added.columns.items()
            ]
        if is_split:
            told = "The organization that the row is shown to; a row of several is there several times."
            fields.append(Field(ORG_ID, ORG_ID, "STRING", told, f"{domain}/Ids"))
        return tuple(fields)

    def check(self, relations: Mapping[str, Relation]) -> list[str]:
        """What is wrong with its joins: a column is missing, of another type, a list, or no key."""
        problems = []
        types = {column.name: column for column in self.base.columns}
        for added in self.added:
            told = f"{self.name}: the join of {added.by} to {added.to_relation}.{added.to_column}"
            other = relations.get(added.to_relation)
            theirs = {column.name: column for column in other.columns} if other else {}
            if added.by not in types:
                problems.append(f"{told}: there is no column {added.by}")
            elif other is None or added.to_column not in theirs:
                problems.append(f"{told}: there is no such column")
            elif types[added.by].bi_type != theirs[added.to_column].bi_type or types[added.by].is_list:
                problems.append(f"{told}: the columns are of two types, or a list")
            elif other.grain != (added.to_column,):
                problems.append(f"{told}: it is not a key, so that rows would be there several times")
            for column, name in added.columns.items():
                if column not in theirs:
                    problems.append(f"{told}: {added.to_relation} has no column {column}")
                elif name in types:
                    problems.append(f"{told}: there is a column {name} already")
                else:
                    types[name] = theirs[column]
        return problems

    def joined_for(self, wanted: Collection[str]) -> list[Added]:
        """What is to be joined for these columns, by the data set's own names for them, in its order."""
        needed, joined = set(wanted), []
        for added in reversed(self.added):
            if needed & set(added.columns.values()):
                needed.add(added.by)
                joined.append(added)
        return joined[::-1]

    def sql(self, schema: str, wanted: Collection[str]) -> str:
        """Its rows as a query, for charts, tests and people who read it.

        Args:
            schema: the schema of the views.
            wanted: the columns that it shall have, by the data set's own names for them.
        """
        joined = self.joined_for(wanted)
        owner = {column.name: f"{self.base.name}.{column.name}" for column in self.base.columns}
        columns = [owner[column.name] for column in self.base.columns if column.name in wanted]
        joins = []
        for added in joined:
            other = added.to_relation
            joins.append(f"left join {schema}.{other} on {owner[added.by]} = {other}.{added.to_column}")
            for column, name in added.columns.items():
                owner[name] = f"{other}.{column}"
                if name in wanted:
                    columns.append(f"{other}.{column} as {name}")
        selected = ",\n".join(f"    {column}" for column in columns)
        return "\n".join([f"select\n{selected}\nfrom {schema}.{self.base.name}", *joins])


def _field(column: Column, name: str, folder: str) -> Field:
    return Field(name, title(name), column.output_type, column.description, folder)


def data_set(settings: Settings, relations: Mapping[str, Relation], one: DataSet) -> dict[str, Any]:
    """The parameters of CreateDataSet."""
    fields = one.fields(relations, settings.row_rules)
    folders: dict[str, list[str]] = {}
    for field in fields:
        folders.setdefault(field.folder, []).append(field.title)
    tables = {one.base.name: _base_table(settings, one)}
    for added in one.added:
        columns = (added.to_column, *added.columns)
        tables[added.to_relation] = _table(settings, relations[added.to_relation], columns)
    given: dict[str, Any] = {
        "AwsAccountId": settings.account,
        "DataSetId": settings.id(one.name),
        "Name": settings.name(one.title),
        "ImportMode": settings.import_mode,
        "PhysicalTableMap": {table_key(name): table for name, table in tables.items()},
        "FieldFolders": {name: {"columns": columns} for name, columns in sorted(folders.items())},
        "FolderArns": [settings.arn("folder", settings.id(one.base.domain))],
        "Tags": settings.all_tags,
    }
    if granted := permissions(settings, "dataset"):
        given["Permissions"] = granted
    is_split = settings.row_rules and one.base.org_column
    if len(one.base.grain) == 1 and not is_split:
        key = title(one.base.grain[0])
        given["PerformanceConfiguration"] = {"UniqueKeys": [{"ColumnNames": [key]}]}
    rules = _rules(settings) if is_split else None
    if settings.preparation == "new":
        given |= new_preparation(one, fields, rules)
    else:
        given["LogicalTableMap"] = legacy_preparation(one, fields)
        if rules:
            given["RowLevelPermissionDataSet"] = rules
    return given


def rules_data_set(settings: Settings) -> dict[str, Any]:
    """The parameters of CreateDataSet for the rules about rows: who may see which organization."""
    columns = {"user_name": "UserName", ORG_ID: ORG_ID}
    key = table_key(RULES)
    given: dict[str, Any] = {
        "AwsAccountId": settings.account,
        "DataSetId": settings.id(RULES),
        "Name": settings.name("Rules about rows"),
        "ImportMode": settings.import_mode,
        "UseAs": "RLS_RULES",
        "PhysicalTableMap": {
            key: {
                "RelationalTable": {
                    "DataSourceArn": settings.arn("datasource", settings.id(DATA_SOURCE)),
                    "Schema": settings.schema,
                    "Name": "quicksight_row_rules",
                    "InputColumns": [{"Name": name, "Type": "STRING"} for name in columns],
                }
            }
        },
        "LogicalTableMap": {
            key: {
                "Alias": key,
                "Source": {"PhysicalTableId": key},
                "DataTransforms": [
                    {"RenameColumnOperation": {"ColumnName": "user_name", "NewColumnName": "UserName"}},
                    {"ProjectOperation": {"ProjectedColumns": list(columns.values())}},
                ],
            }
        },
        "FolderArns": [settings.arn("folder", settings.id("catalog"))],
        "Tags": settings.all_tags,
    }
    # who may read the rules learns who belongs where: authors alone
    if granted := permissions(settings, "dataset", readers=False):
        given["Permissions"] = granted
    return given


def refresh_schedule(settings: Settings, data_set_id: str) -> dict[str, Any]:
    """The parameters of CreateRefreshSchedule: all rows every night, after the job."""
    return {
        "AwsAccountId": settings.account,
        "DataSetId": data_set_id,
        "Schedule": {
            "ScheduleId": "nightly",
            "ScheduleFrequency": {
                "Interval": "DAILY",
                "Timezone": settings.timezone,
                "TimeOfTheDay": settings.refresh_at,
            },
            # an incremental one would miss what was deleted, and what came late
            "RefreshType": "FULL_REFRESH",
        },
    }


def data_source(settings: Settings) -> dict[str, Any]:
    """The parameters of CreateDataSource; the login is named by its secret, and TLS is always on."""
    if not settings.secret_arn:
        raise TimebackError(
            "Which login? secret_arn in the settings names the secret with its user name and password; "
            "`timeback quicksight apply --organization ID` makes a login and its secret."
        )
    given: dict[str, Any] = {
        "AwsAccountId": settings.account,
        "DataSourceId": settings.id(DATA_SOURCE),
        "Name": settings.name("TimeBack catalog"),
        "Type": "POSTGRESQL",
        "DataSourceParameters": {
            "PostgreSqlParameters": {
                "Host": settings.host,
                "Port": settings.port,
                "Database": settings.database,
            }
        },
        "Credentials": {"SecretArn": settings.secret_arn},
        "SslProperties": {"DisableSsl": False},
        "FolderArns": [settings.arn("folder", settings.id("catalog"))],
        "Tags": settings.all_tags,
    }
    if settings.vpc_connection_arn:
        given["VpcConnectionProperties"] = {"VpcConnectionArn": settings.vpc_connection_arn}
    # who may use the data source may write queries of their own
    if granted := permissions(settings, "datasource", readers=False):
        given["Permissions"] = granted
    return given


def _rules(settings: Settings) -> dict[str, Any]:
    return {
        "Arn": settings.arn("dataset", settings.id(RULES)),
        "PermissionPolicy": "GRANT_ACCESS",
        "FormatVersion": "VERSION_1",
        "Status": "ENABLED",
    }


def _input_columns(settings: Settings, columns: list[Column]) -> list[dict[str, str]]:
    given = []
    for column in columns:
        one = {"Name": column.name, "Type": column.input_type}
        if column.input_type == "DECIMAL":
            one["SubType"] = "FLOAT"
        if settings.preparation == "new":
            one["Id"] = table_key(column.name)
        given.append(one)
    return given


def _table(settings: Settings, relation: Relation, columns: tuple[str, ...] | None = None) -> dict[str, Any]:
    kept = [column for column in relation.columns if columns is None or column.name in columns]
    return {
        "RelationalTable": {
            "DataSourceArn": settings.arn("datasource", settings.id(DATA_SOURCE)),
            "Schema": settings.schema,
            "Name": relation.name,
            "InputColumns": _input_columns(settings, kept),
        }
    }


def _base_table(settings: Settings, one: DataSet) -> dict[str, Any]:
    relation = one.base
    if not (settings.row_rules and relation.org_column):
        return _table(settings, relation)
    kept = [column for column in relation.columns if column.name != "org_ids"]
    names = ", ".join(f"base.{column.name}" for column in kept)
    view = f'"{settings.schema}".{relation.name} as base'
    if relation.org_column == "school_id":
        query = f"select {names}, base.school_id as {ORG_ID} from {view}"
    else:
        query = (
            f"select {names}, organization.{ORG_ID} from {view} cross join lateral "
            f"unnest(string_to_array(base.{relation.org_column}, ',')) as organization ({ORG_ID})"
        )
    org_id = {"Name": ORG_ID, "Type": "STRING"}
    if settings.preparation == "new":
        org_id["Id"] = table_key(ORG_ID)
    return {
        "CustomSql": {
            "DataSourceArn": settings.arn("datasource", settings.id(DATA_SOURCE)),
            "Name": f"{relation.title} by organization",
            "SqlQuery": query,
            "Columns": [*_input_columns(settings, kept), org_id],
        }
    }
