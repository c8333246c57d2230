"""QuickSight assets made from dbt's manifest: rendered to JSON, checked, compared with an account, applied."""
