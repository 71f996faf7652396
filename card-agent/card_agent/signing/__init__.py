"""What a card is asked to sign, and the card that signs it."""
