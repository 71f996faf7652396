"""The rules of the front door and the types that cross its rooms.

`card_session`  cards, the challenges they sign, and the sessions they open
`bidder`        the search for a bidder, its company profile and its proof
`contact`       contacts, and when the representative contact is required
`registration`  the form of a registration, its commit and its receipt
`act_lines`     what a card signs, in plain words

What the front door does not interpret it passes on: `encoded` is the serialized message of the peer that owns the fact.
"""
