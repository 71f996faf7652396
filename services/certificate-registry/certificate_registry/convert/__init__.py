"""protobuf ↔ domain, the only place where both meet.

registry  contractors' cards, registrations, card states, lookups
bidder_states  states of bidders, as the qualification registry sends them
notices   what people are told of a card, and who is
act_proof the proof of a card's act
renewal   ICカード更新
serials   serial numbers that a person names
cards     what officers see of cards, and what they decide about them
officers  officers, their invitations and sessions, what other services are told of them
"""
