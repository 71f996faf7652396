"""The whole system as processes of one machine: PostgreSQL, inbox, services, and their end."""
