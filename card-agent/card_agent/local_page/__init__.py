"""The agent's pages on 127.0.0.1, by which a portal has a card read and a purpose signed (docs/hand-off.md).

views          what each page shows, as data
"""
