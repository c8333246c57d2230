"""Migrations of the operational tables under a deployed catalog."""
