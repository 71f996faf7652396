"""Exceptions for conditions that the operator can remedy."""


class CommandFailed(Exception):
    """The command cannot go on. The text tells the operator the cause and the remedy; it contains no secret."""


class NotReady(Exception):
    """The process cannot do its work yet. The text says what it waits for; it contains no secret."""


class DatabaseLost(CommandFailed):
    """A worker's database stayed away, so that its jobs had to be given up for now. It may go on when it is back."""
