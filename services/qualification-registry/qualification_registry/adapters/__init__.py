"""Peers and CPU-bound work outside of the event loop, with domain types at the surface.

- `certificate_registry`: sends events to certificate-registry.
- `password_hashing`: argon2id in threads.
"""
