"""The rules and the types that cross rooms: pure, without gRPC, SQL or a clock.

challenge      a nonce is valid once, for minutes
card           a card as it is stored
trust          what the trust in a stored card rests on, and how long it lasts
valid_card     a card that was found valid, and for how long that stands
card_session   what a card session is valid for, and how long
checked_session what a check of a card session tells
binding        which bidder a card belongs to
proven         what was proven about a bidder and a card
act_proof      this registry's signed statement about an act of a card
bidder_proof   the qualification registry's signed statement about a bidder and a card
bidder         which bidders may act
registration   a registration, and the request for one
renewal        when a card may take another one's place, and the request for it
outcome        what became of a request
card_state     a card in a category as the other services know it
suspension     what officers decide about a card
reopening      which registrations officers reopen
predecessor    the card before another one, named or linked
listed_card    what officers see of a card
notice         what people are told of an act
propagation    registrations at further agencies
revocation     the addresses from which CRLs are fetched
history        what the history says was done
officer        who officers are, and that an administrator is left
invitation     an invitation of an officer, and its code
officer_session how long an officer's session is valid
officer_notice what an officer is told
verdict        the answer to a lookup by an e-bidding system
"""
