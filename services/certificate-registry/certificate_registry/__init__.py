"""The registry of cards, and the one commit point of a registration."""
