"""protobuf ↔ domain: the only place where both meet.

- `registry`: searches, proofs, rosters, bidders and passwords.
- `bidders`: the states of bidders, and what officers decide about them.
- `card_approvals`: cards that an officer is asked about.
"""
