"""QuickSight's resources, made from dbt's manifest: rendered to JSON, checked, compared, applied."""
