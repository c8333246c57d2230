"""Names that the dbt project and the Python package share.

They are fixed: consumers and their roles build on them. The macros know the same ones, from dbt_project.yml
and macros/overrides/generate_schema_name.sql.
"""

from __future__ import annotations

SCOPE_SETTING = "app.allowed_org_ids"
"""The session setting that says which organizations a caller asks for."""
ROAR_SCOPE_SETTING = "app.allowed_roar_org_ids"
"""The same for the datasets of ROAR."""
SCOPE_SETTINGS = (SCOPE_SETTING, ROAR_SCOPE_SETTING)
"""Whose scope a session asks for."""
READER = "timeback_reader"
"""The role that may select from the published views, and nothing else."""
UNRESTRICTED = "timeback_unrestricted"
"""The role whose members may ask for every row."""
BOUND = "timeback_bound"
"""The role whose members are bound, on the whole server."""


def internal_schema(published: str) -> str:
    """The schema of everything that no consumer may read, by the name of the published one."""
    return f"{published}_internal"


def bi_schema(published: str) -> str:
    """The schema of the datasets in types that every tool can read, by the name of the published one."""
    return f"{published}_bi"


def metrics_schema(published: str) -> str:
    """The schema of what metrics need beside the datasets, by the name of the published one."""
    return f"{published}_metrics"


def our_schemas(published: str) -> set[str]:
    """Every schema that the project deploys to, by the name of the published one."""
    return {published, internal_schema(published), bi_schema(published), metrics_schema(published)}
