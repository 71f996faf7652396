"""The gRPC services: convert, call one operation, convert.

- `qualification_registry`: QualificationRegistry.
- `card_approvals`: CardApprovals.
- `bidders`: Bidders.
- `bidder_proposals`: what is done when another person approves a proposal about a bidder.
"""
