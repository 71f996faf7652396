"""The rules of contacts and mails and all types that cross rooms; no gRPC, no SQL, no clock.

contact      a contact, its form, and when the representative contact is to be given
change       what is registered, new contacts for it, and what they change
act_proof    certificate-registry's statement that a card signed an act
staging      contacts staged for a registration, how long, and who reserves the representative contact
card_state   the state of a card with its registrations, and the outcome of a request
notice       what a notice says of an act, and which mailboxes get it
history      the entries of the history
mail_records  the record that a mail of an act ends with
neutral_mails  the texts of mails that no manual prescribes
mail         the check of the profile's templates, and composing
smtp_answer  what an answer of the mail server means for a mail
"""
