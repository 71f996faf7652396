"""What a help desk asks about a PC: the agent, the readers and cards, the instances, the clock; without any secret.

`findings` (the data) ← `this_pc`, `cards`, `instances` ← `text` (for a file).
"""
