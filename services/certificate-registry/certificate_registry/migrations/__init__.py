"""The database of the registry of cards, step by step."""
