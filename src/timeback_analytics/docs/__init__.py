"""The documentation site: a folder of pages made from dbt's manifest, which opens from disk."""

from timeback_analytics.docs.site import build_site

__all__ = ["build_site"]
