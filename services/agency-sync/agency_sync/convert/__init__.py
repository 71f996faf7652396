"""protobuf ↔ domain, the only place where both meet.

agency_sync   states of cards and bidders, propagations, and what the registries are asked for
feed          the feeds and their snapshots, contacts' owners, heads of histories
"""
