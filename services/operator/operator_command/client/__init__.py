"""Calls to a running instance from the command line."""
