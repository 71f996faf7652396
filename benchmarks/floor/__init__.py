"""What a floor is, and what those of several operations have in common.

A floor is a reviewed list of what one operation of a contractor MUST do, with all jobs that follow it, and not what it
happens to do. Whoever adds an entry says in `why` what would be lost without it; whoever makes one unnecessary deletes
it. A change of data is one transaction that writes; one with several statements has a BEGIN and a COMMIT, which are
round trips of their own. `benchmarks/floor_run.py` runs the statements by pgbench: `:n` is another number for each
operation, `:bidder` a bidder of the roster, `:agencies` the number of agencies. What an agency costs is a row more, and
never a statement more.

- entries: what an entry says, and the values that statements of several services name; cost: what one costs.
- certificates, bidders, contacts, propagations: the entries that operations share, by service.
"""
