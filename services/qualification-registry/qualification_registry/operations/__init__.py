"""One module per operation: each opens its transactions, asks the adapters and applies the rules of the domain.

- `bidder_search`: finds the bidder that a contractor searches for.
- `bidder_proof`: signs the result of a search, and returns the company behind a proof.
- `bidder_renewal`: proves the bidder of a card that is renewed, and returns its company.
- `card_comparison`: holds the names in a certificate against the roster's.
- `bidder_names`: compares a name with a bidder's, rule by rule.
- `bidder_list`: lists the bidders of a category.
- `roster_upload`: receives a roster file.
- `roster_preview`: turns a roster file into a preview.
- `roster_reading`: reads, compares and stores one file of a preview.
- `preview_list`: lists what a preview would do, line by line.
- `roster_commit`: makes a preview the current version of its roster.
- `roster_versions`: shows the versions of a roster with their lines and files.
- `review_end`: ends the review of changed company data.
- `password_issue`: issues passwords as letters.
- `succession`: makes a bidder the successor of another one.
- `suspension`: suspends and resumes bidders.
- `bidder_events`: sends the states of bidders to other services.
- `bidder_notices`: has the contacts of bidders told what officers decided.
- `card_approval_queue`: asks officers about a card, and shows them both names.
- `card_approval_decision`: decides about a card, and tells who asked.
- `act_facts`: what the acts of officers say beside the fields of the request.
- `circumstances`: who acts, when and in which trace.
- `expiry`: deletes expired previews and counts.
"""
