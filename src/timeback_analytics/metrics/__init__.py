"""The metrics of dbt's semantic layer: what the YAML says of them, and questions through MetricFlow."""

from timeback_analytics.metrics.definitions import Breakdown, Metric, read_metrics

__all__ = ["Breakdown", "Metric", "read_metrics"]
