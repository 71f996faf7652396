"""The database: one function per question or change; the transaction is the caller's.

tables        the tables
contacts      contacts, and which of them are active for a bidder or a card
staging       staged registrations and tombstones
card_states   where each card is registered, the newest version of each
missing_contacts  registrations whose contacts never can become active
notices       notices, and whom they are sent to while they wait
mails         the outbox
"""
