"""Cards and bidders that came after others: renewals that officers undo, and links to what was before.

- `command`: the command line: `toroku propose reopening`, `toroku propose bidder-link`, `toroku cards link`,
  `toroku cards named`
- `cards`: cards, in certificate-registry
- `bidders`: bidders, in qualification-registry
"""
