"""The rules of the front door and the types that cross its rooms.

`card_session`  cards, the challenges they sign, and the sessions they open
`card_state`    whose a card is, and where it is registered
`bidder`        the search for a bidder, its company profile and its proof
`contact`       contacts, and when the representative contact is required
`registration`  the form of a registration, its commit and its receipt
`change`        what is registered, the form of a change, its commit and its receipt
`renewal`       the forms of a renewal, its commit and its result
`signed_form`   whether a form is the one that a card signed
`advice`        which operation is right for a card
`advice_words`  its sentences
`propagation`   who decides whether the other agencies follow
`act_lines`     what a card signs at a registration, in plain words
`change_lines`  the same at a change
`renewal_lines` the same of the two cards of a renewal

What the front door does not interpret it passes on: `encoded` is the serialized message of the peer that owns the fact.
"""
