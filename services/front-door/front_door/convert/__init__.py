"""protobuf ↔ domain: the only place where both meet.

`instance`      the profile as a contractor sees it
`category`      its part about one category
`operation`     the operations of the menu
`text`          the profile's texts
`card_session`  cards, challenges and sessions
`card_state`    whose cards are, and where they are registered
`bidder`        company profiles and bidder proofs
`contact`       contacts and contact forms
`registration`  forms, registrations and receipts
`change`        what is registered, forms of a change and receipts
`advice`        advices
"""
