"""The operations: each opens its transactions, asks the adapters and applies the rules of the domain.

record         records the states of cards, with the intentions to propagate their registrations
bidder_record  records the states of bidders, and has judged again what they held up
contact_record records the states of contacts' owners
history_record records the newest sealed heads of the registries' histories
feed_appending appends to the feeds what these change
feed_reading   gives agencies their feeds
feed_watch     looks at the heads for all streams of a process
feed_expiry    deletes what the feeds keep no longer
snapshot       makes snapshots of feeds when somebody asks, and gives them out
propagate      carries out the open intentions
listing        lists how far a registration has come at the other agencies
"""
