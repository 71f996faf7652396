"""protobuf ↔ domain: the only place where both meet.

`instance`      the profile as a contractor sees it
`category`      its part about one category
`operation`     the operations of the menu
`text`          the profile's texts
`card_session`  cards, challenges and sessions
`bidder`        company profiles and bidder proofs
`contact`       contacts and contact forms
`registration`  forms, registrations and receipts
"""
