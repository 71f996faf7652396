"""One module per operation: each opens its transactions, asks the adapters and applies the rules of the domain.

- `bidder_search`: finds the bidder that a contractor searches for.
- `bidder_proof`: signs the result of a search, and returns the company behind a proof.
- `qualified_agencies`: lists the agencies where bidders are qualified.
- `bidder_names`: compares a name with a bidder's, rule by rule.
- `bidder_list`: lists the bidders of a category.
- `roster_upload`: receives a roster file.
- `roster_preview`: turns a roster file into a preview.
- `roster_reading`: reads, compares and stores one file of a preview.
- `preview_list`: lists what a preview would do, line by line.
- `roster_commit`: makes a preview the current version of its roster.
- `roster_versions`: shows the versions of a roster with their lines and files.
- `password_issue`: issues passwords as letters.
- `bidder_status`: suspends, resumes or ends a bidder.
- `bidder_events`: sends the states of bidders to certificate-registry.
- `expiry`: deletes expired previews and counts.
"""
