"""The rules and the types that cross rooms: pure, without gRPC, SQL or a clock.

challenge      a nonce is valid once, for five minutes
card           a card as it is stored
trust          what the trust in a stored card rests on, and how long it lasts
valid_card     a card that was found valid, and for how long that stands
card_session   what a card session is valid for, and how long
binding        which bidder a card belongs to
proven         what was proven about a bidder and a card
bidder_proof   the qualification registry's signed statement about a bidder and a card
bidder         which bidders may act
registration   a registration, and the request for one
outcome        what became of a request
card_state     a card in a category as the other services know it
notice         what people are told of an act
propagation    registrations at further agencies
revocation     the addresses from which CRLs are fetched
history        the entries of the audit trail
verdict        the answer to a lookup by an e-bidding system
"""
