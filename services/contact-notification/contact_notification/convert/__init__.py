"""protobuf ↔ domain: the only place where both meet.

contacts     contacts, companies, and what is staged of them
changes      what is registered, a change of it, its proof, and the committed change
card_states  the states of cards, and the outcomes of their requests
notices      notices of acts
texts        texts, hashes and instants of messages
"""
