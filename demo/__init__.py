"""The operations on one machine with real parts: a card is registered, changed and renewed; agencies resolve it."""
