"""Peers and CPU-bound work outside of the event loop, with domain types at the surface.

- `certificate_registry`: sends events to certificate-registry.
- `hashing_threads`: threads in which searches go first.
- `password_hashing`: argon2id in these threads.
"""
