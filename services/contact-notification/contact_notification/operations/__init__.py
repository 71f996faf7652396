"""The operations: each opens its transactions, asks the adapters and applies the rules of the domain.

staging       stages the contacts of a registration
settlement    settles staged registrations: abandons them or records their registration
card_states   records the states of cards and activates the contacts of their registrations
notices       takes notices and writes their mails
takeovers     contacts pass from a card to the one that takes its place
contacts      reads contacts
changes       checks a change of contacts, commits it by a proven act, and reads it
mails         composes and sends the mails of the outbox
expiry        deletes tombstones and notices that are too old
erasure       erases a bidder's persons
failed_mails  lists mails that failed, has them sent again, forgets their addresses
"""
