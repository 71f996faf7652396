"""The purpose, which is all that a card signs, and the card that signs it."""
