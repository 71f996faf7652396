"""The history of a registry: who did what when, in a chain of signed heads that can't be rewritten unnoticed.

What verifies needs no database, and nothing of ours:

- `entries`: an entry, its details, and the digests of both
- `merkle`: the tree over a batch of entries
- `heads`: a head, which is what is signed of a batch, and the keys that verify it
- `receipt`: the proof that one entry is in the history
- `findings`: what a verification can find
- `comparison`: what was sealed, held against the entries that are there
- `verification`: whether a history is what was sealed, and what was done to it

What reads a history from a registry needs no database either:

- `convert`: the messages of the service History

What runs in a service:

- `tables`: the tables, created by a migration of the service
- `writing`: entries are added, in the transaction of what they tell of
- `erasing`: details are taken out, by an act that is an entry itself
- `erasure_order`: what an operator orders to erase, on a registry's command line
- `bidder_erasure`: all those of a bidder
- `sealing`: one batch of entries gets its positions and its head
- `seal_keeper`: all entries are sealed, soon after they were written
- `settings`: the key that a worker seals with
- `metrics`: how long the oldest entry has waited to be sealed
- `reading`: entries to show, receipts, and the whole history for a verification
- `servicer`: the gRPC service History
"""
