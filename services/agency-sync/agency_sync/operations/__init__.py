"""The operations: each opens its transactions, asks the adapters and applies the rules of the domain.

record              records the states of cards, with the intentions to propagate their registrations
bidder_record       records the states of bidders, and has judged again what they held up
batches             carries out the intentions that are due, batch by batch
propagate           has registrations and renewals made at the other agencies
change_propagation  plans changes that the other agencies follow, and has them count there
listing             lists how far registrations, renewals and changes have come at the other agencies
contact_record      records the states of contacts' owners
history_record      records the newest sealed heads of the registries' histories
feed_appending      appends to the feeds what these change
feed_reading        gives agencies their feeds
feed_watch          looks at the heads for all streams of a process
feed_expiry         deletes what the feeds keep no longer
snapshot            makes snapshots of feeds when somebody asks, and gives them out
"""
