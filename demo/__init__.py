"""The main operation on one machine with real parts: a card is registered, and every agency can resolve it."""
