"""Deliberate breakages of the project, and what notices them."""
