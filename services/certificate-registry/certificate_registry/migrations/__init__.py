"""The database schema of certificate-registry, step by step."""
