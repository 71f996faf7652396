"""The rules and the types that cross rooms: pure, without gRPC, SQL or a clock.

purpose        what a card signs
challenge      a nonce is valid once, for five minutes
card           a card as it is stored
trust          what the trust in a stored card rests on, and how long it lasts
card_session   what a card session is valid for, and how long
binding        which bidder a card belongs to
bidder_proof   the qualification registry's signed statement about a bidder and a card
bidder         which bidders may act
registration   a registration, and the outcome of a request for one
propagation    registrations at further agencies
revocation     the addresses from which CRLs are fetched
history        the entries of the audit trail
verdict        the answer to a lookup by an e-bidding system
"""
