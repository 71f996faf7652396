"""The database: one function per question or change; the transaction is the caller's.

Who changes intentions and propagations locks the intentions first, and always in the order of their ids; who records
the states of cards or bidders locks these before, in the order of their keys; who appends to feeds locks their heads
after all that, in the order of the agencies. So two transactions can't deadlock.

tables          the tables
card_states     the states of cards, the newest version of each
bidder_states   the states of bidders, the newest version of each
intentions      intentions: opened, claimed in batches, closed
held_intentions intentions that are held up by the state of their bidder
contact_owners  the states of contacts' owners, the newest version of each
history_heads   the newest sealed head of each registry's history
feed_appending  the feeds: heads, what entries are made from, and what is still to be appended
feed_reading    the feeds: changes in their order, and how far subscribers have come
feed_columns    the columns of a card's state at an agency
snapshots       the snapshots of feeds, in pieces, and what one is made of
propagations    the states at further agencies
"""
