"""The database: one function per question or change; the transaction is the caller's.

tables          the tables
contacts        contacts, and which of them are active for a bidder or a card
staging         staged registrations and tombstones
registrations   registrations, the newest version of each
mails           the outbox
"""
