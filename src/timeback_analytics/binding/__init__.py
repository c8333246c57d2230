"""Bindings of database roles to organizations: what a role can see at most, whatever its session asks for.

A binding is rows of scope_binding in the internal schema, and of roar_scope_binding for ROAR's
organizations. Who is bound in one is bound in the other. A bound role is a member of timeback_bound as well,
which marks it on the whole server: where such a role has no binding, it sees nothing. The role's default
scope is kept beside it, as its own setting in this database, so that a client without a place for SET sees
rows at all.
"""

from timeback_analytics.binding.catalog import Catalog
from timeback_analytics.binding.changes import bind, unbind
from timeback_analytics.binding.report import Bound, BoundRole, bound_roles, show

__all__ = ["Bound", "BoundRole", "Catalog", "bind", "bound_roles", "show", "unbind"]
