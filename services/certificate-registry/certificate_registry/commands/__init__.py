"""The commands, one module each: reads the settings, builds everything, runs.

serve: answers calls, but for lookups.
officers: what serve offers to officers.
cards: what serve offers to officers about cards.
serve-lookup: answers UserLookup.
worker: cRLs, stored cards, and what other services have to be told.
"""
