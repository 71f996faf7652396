"""Stores contacts and sends mails."""
