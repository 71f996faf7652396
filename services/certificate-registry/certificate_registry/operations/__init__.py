"""One module per operation: opens the transaction, asks the adapters, calls the rules.

card_session        opens, checks and ends card sessions
challenges          what operations with a card share: sessions, nonces, signed purposes, path validation
registration        登録: the act to be signed, and its commit
outcomes            what became of a request
propagation         registrations at further agencies
bidders             records the status of bidders
revocation          fetches CRLs and applies them to the stored cards
revocation_request  has CRLs fetched
card_trust          judges stored cards anew when CRLs, CAs or rules change
deliveries          tells the other services of the states of cards
notices             has people told of an act
expiry              deletes challenges, sessions, cards, notices, tombstones and CRLs that are long past
resolve_user        the bidder of a card, at every log-in
"""
