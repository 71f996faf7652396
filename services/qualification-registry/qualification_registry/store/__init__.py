"""SQL: one function per question or change; the transaction is the caller's.

- `tables`: the tables.
- `bidders`: bidders, their status, and what current rosters contain about them.
- `commits`: what a commit changes.
- `lines`: roster lines in the text form of COPY.
- `passwords`: password hashes.
- `previews`: what a preview reads and stores.
- `search_counts`: tries of searches.
- `terms`: the terms of a roster, and the list that counts in each.
- `versions`: the versions of a roster, the lines of each as they were, and its file.
"""
