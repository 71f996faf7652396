"""The database: one function per question or change; the transaction is the caller's.

Who changes intentions and propagations locks the intentions first, and always in the order of their ids; who records
the states of cards or bidders locks these before, in the order of their keys. So two transactions can't deadlock.

tables          the tables
card_states     the states of cards, the newest version of each
bidder_states   the states of bidders, the newest version of each
intentions      intentions: opened, claimed in batches, closed
held_intentions intentions that are held up by the state of their bidder
propagations    the states at further agencies
"""
