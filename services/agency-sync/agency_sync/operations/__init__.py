"""The operations: each opens its transactions, asks the adapters and applies the rules of the domain.

record         records the states of cards, with the intentions to propagate their registrations
bidder_record  records the states of bidders, and has judged again what they held up
propagate      carries out the open intentions
listing        lists how far a registration has come at the other agencies
"""
