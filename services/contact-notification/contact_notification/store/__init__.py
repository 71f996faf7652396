"""The database: one function per question or change; the transaction is the caller's.

tables        the tables
contacts      contacts, and which version of an owner's counts
registered    the owners of a card's and its bidder's contacts, to be locked, and their newest versions
changes       committed changes, and the versions that they bring
takeovers     a card takes over the contact of the one before it
staging       staged registrations and tombstones
activation    staged contacts become active
card_states   where each card is registered, the newest version of each
missing_contacts  registrations whose contacts never can become active
notices       notices, and whom they are sent to while they wait
mails         the outbox
erasure       what there is of a bidder's persons is erased
"""
