"""The documentation site: pages made from the manifest and the lineage file, a folder that opens anywhere."""

from timeback_analytics.docs.catalog import read_catalog
from timeback_analytics.docs.facts import read_facts
from timeback_analytics.docs.site import build_site

__all__ = ["build_site", "read_catalog", "read_facts"]
