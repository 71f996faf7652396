"""The main job on one machine, for real: a card is registered and every agency that asks knows whose it is."""
