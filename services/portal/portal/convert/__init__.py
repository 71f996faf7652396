"""Journeys as bytes."""
