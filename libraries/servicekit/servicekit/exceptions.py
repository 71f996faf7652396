"""What ends a command, or keeps it from being ready, for a reason that its operator can mend."""


class CommandFailed(Exception):
    """The command ends here. The text tells the operator what happened, to what, and what to do next; no secret."""


class NotReady(Exception):
    """The process runs but can't do its work yet. The text says what it waits for; no secret."""
