"""The person: an abstraction for the operations (`person`), its implementation at a terminal, and the texts shown.

`words` (the agent's own texts), `place` (what an instance calls things), `field_names` (of a refusal's fields).
"""
