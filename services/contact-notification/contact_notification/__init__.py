"""The keeper of contacts, and the writer of mails."""
