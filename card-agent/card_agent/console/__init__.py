"""The person: an abstraction for the operations (`person`), its implementation at a terminal, and the texts shown."""
