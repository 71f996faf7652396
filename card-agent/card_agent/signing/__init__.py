"""What a card signs and the card that signs it.

`purpose` (read and checked), `act_lines` (in one language), `certificate` (its values), `card_use` (the card, and the
rows in which card and purpose are shown).
"""
