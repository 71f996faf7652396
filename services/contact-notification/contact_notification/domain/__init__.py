"""The rules of contacts and mails and all types that cross rooms; no gRPC, no SQL, no clock.

contact      a contact, its form, and when the representative contact is to be given
staging      contacts staged for a registration, how long, and who reserves the representative contact
card_state   the state of a card with its registrations, and the outcome of a request
notice       what a notice says of an act, and which mailboxes get it
mail         the check of the profile's templates, and composing
smtp_answer  what an answer of the mail server means for a mail
"""
