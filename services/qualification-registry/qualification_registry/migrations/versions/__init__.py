"""Revisions to apply before new code runs."""
