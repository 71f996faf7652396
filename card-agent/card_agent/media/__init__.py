"""Tokens: what holds a private key, be it a card in a reader or a file."""
