"""The two scopes of the catalog, TimeBack's and ROAR's, as the dbt project describes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import yaml

from timeback_analytics.project import project_root


@dataclass(frozen=True)
class Scope:
    """One scope.

    Attributes:
        name: `timeback` or `roar`.
        setting: the session setting that names organizations.
        org_type: the PostgreSQL type of an organization's id.
        parser: the function of the internal schema that reads the setting.
        binding: the table of the internal schema with what roles are bound to.
        caller: the model that says who is asking.
        people: kind of people -> model of their memberships.
    """

    name: str
    setting: str
    org_type: str
    parser: str
    binding: str
    caller: str
    people: Mapping[str, str]


@cache
def scopes() -> Mapping[str, Scope]:
    """Name -> scope, from `vars: scopes` of dbt_project.yml, where the macros read them too."""
    project = yaml.safe_load((project_root() / "dbt_project.yml").read_text(encoding="utf-8"))
    return {
        name: Scope(
            name=name,
            setting=described["setting"],
            org_type=described["org_type"],
            parser=described["parser"],
            binding=described["binding"],
            caller=described["caller"],
            people=described["people"],
        )
        for name, described in project["vars"]["scopes"].items()
    }


def timeback_scope() -> Scope:
    """The scope of the roster's organizations."""
    return scopes()["timeback"]


def roar_scope() -> Scope:
    """The scope of ROAR's organizations."""
    return scopes()["roar"]
