"""The command `toroku`: runs an instance on one machine, prepares one in containers, and does officers' work.

- `launcher`: PostgreSQL, inbox and services as processes of one machine (`toroku up`, `toroku inbox`)
- `containers`: certificates and databases of an instance in containers (`toroku certificates`, `toroku databases`)
- `officer`: rosters and password letters (`toroku roster`)
- `client`: calls to a running instance (`toroku call`, `toroku check`)

Each folder's `command.py` holds its commands; `__main__` assembles them.
"""
