"""SQL: one function per question or change; the transaction is the caller's.

tables            the tables that statements are built from
cards             cards and their bindings
trust             the paths that cards rest on, and the trust in cards, set by set
log_in            challenges and card sessions
checked_sessions  card sessions with the states of their cards
registrations     registrations, outcomes of requests
renewals          what a renewal writes, and what it made
bidder_states     the states of bidders
card_states       the states of cards, read
suspensions       suspensions by officers, and the end of a binding
reopening         renewals that officers take back
predecessors      the cards before others: named, and linked
listed_cards      the cards that officers see
notices           notices that wait to be sent
propagation       registrations at further agencies, set by set
renewal_propagation renewals at further agencies, set by set
revocation_lists  CRLs, and the addresses from which they are fetched
officers          officers, beside what every service knows of them
invitations       invitations of officers, and the tries of their codes
officer_sessions  the sessions of officers in the portal
officer_notices   what officers are told by mail
lookup            the lookups of ResolveUser, several in one statement
"""
