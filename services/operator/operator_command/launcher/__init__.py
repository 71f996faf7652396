"""A whole instance as processes of one machine: PostgreSQL, mail inbox and services, started, watched and stopped."""
