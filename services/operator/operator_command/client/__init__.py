"""Calls to a running instance from the command line: `toroku call`, `toroku check`, and the connection of both."""
