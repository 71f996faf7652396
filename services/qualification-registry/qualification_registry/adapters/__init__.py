"""Peers and CPU-bound work outside of the event loop, with domain types at the surface.

- `certificate_registry`, `agency_sync`: tell these services the states of bidders.
- `contact_notification`: has contact-notification send mails.
- `hashing_threads`: threads in which searches go first.
- `password_hashing`: argon2id in these threads.
"""
