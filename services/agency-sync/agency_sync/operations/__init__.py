"""The operations: each opens its transactions, asks the adapters and applies the rules of the domain.

record         records the states of cards, with the intentions to propagate their registrations
bidder_record  records the states of bidders, and has judged again what they held up
batches        carries out the intentions that are due, batch by batch
propagate      has registrations and renewals made at the other agencies
change_propagation  plans changes that the other agencies follow, and has them count there
listing        lists how far registrations, renewals and changes have come at the other agencies
"""
