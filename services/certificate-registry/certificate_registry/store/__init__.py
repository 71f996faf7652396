"""SQL: one function per question or change; the transaction is the caller's.

tables            the tables that statements are built from
cards             cards and their bindings
trust             the paths that cards rest on, and the trust in cards, set by set
log_in            challenges and card sessions
registrations     registrations, outcomes of requests, bidders
card_states       the states of cards, numbered and read
notices           notices that wait to be sent
propagation       registrations at further agencies, set by set
revocation_lists  CRLs, and the addresses from which they are fetched
history           the only writer of the history
lookup            the lookups of ResolveUser, with connections of their own
"""
