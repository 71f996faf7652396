"""The command `toroku` and the launcher behind it: the whole system as processes of one machine."""
