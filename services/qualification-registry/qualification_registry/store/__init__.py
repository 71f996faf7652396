"""SQL: one function per question or change; the transaction is the caller's.

- `tables`: the tables.
- `bidders`: what current rosters contain about bidders, and whether these may act.
- `bidder_states`: the states of bidders and their versions.
- `card_approvals`: cards that an officer is asked about.
- `commits`: what a commit changes.
- `lines`: roster lines in the text form of COPY.
- `passwords`: password hashes.
- `predecessors`: whose place bidders took.
- `previews`: what a preview reads and stores.
- `reviews`: the reviews of changed company data.
- `search_counts`: tries of searches.
- `sealed_entries`: entries of the history with the heads that seal them.
- `suspensions`: suspensions of bidders that stand.
- `terms`: the terms of a roster, and the list that counts in each.
- `versions`: the versions of a roster, the lines of each as they were, and its file.
"""
