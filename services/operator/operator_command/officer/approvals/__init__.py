"""The officer's queue: cards whose company or holder can't be told to be the roster's.

- `command`: the command line: `toroku approvals`
- `queue`: what waits, with both names and their differences, and an officer's decision
"""
