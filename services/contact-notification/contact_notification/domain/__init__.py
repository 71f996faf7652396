"""The rules of contacts and mails and all types that cross rooms; no gRPC, no SQL, no clock.

contact        a contact, its form, and when the representative contact is to be given
staging        contacts staged for a registration, how long, and who reserves the representative contact
registration   a committed registration, as its event describes it, and the outcome of a request
mail           who gets which mail, the check of the profile's templates, and composing
"""
