"""`toroku history`: what the registries' histories say, and whether they are what was sealed.

- `command`: the command line
- `registries`: which registries have a history
- `session`: the connections to them
- `reading`: entries and whole histories, read from a registry
- `show`: entries of all registries, merged by time
- `entry_words`: what people call what happened, and who did it
- `details`: what an act changed, and what its person was shown and signed
- `verify`: the verification of each registry's history, with its summary
- `finding_words`: a sentence for each finding
- `progress`: how far a verification has come
- `witnesses`: heads that were noted, in a file
- `receipts`: the verification of a receipt, without a connection
- `public_keys`: the keys that verify heads
"""
