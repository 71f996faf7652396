"""Brings registrations to the other agencies."""
