"""Attempts of a reader to learn of another school, and what they are made against."""
