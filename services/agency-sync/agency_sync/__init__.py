"""Propagates registrations to the other agencies (自動反映)."""
