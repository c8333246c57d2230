"""Stored facts on other PostgreSQL servers: partitions over postgres_fdw, and the moves of them."""

from timeback_analytics.shards.front import LOCAL, Front, Partition
from timeback_analytics.shards.node import Node, node_schema

__all__ = ["LOCAL", "Front", "Node", "Partition", "node_schema"]
