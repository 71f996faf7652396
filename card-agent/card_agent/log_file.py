"""The log of the agent, for a help desk: what was done with the card, by headers and status words, and each refusal.

Neither a PIN nor data of a card nor what a person typed gets there; `media.smart_card` says what of a command does.
"""

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from typing_extensions import override

FOLDER, NAME = "log", "card-agent.log"

_MOST_BYTES = 1024 * 1024
_OLDER_FILES = 2
_FORMAT = "%(asctime)s %(process)d %(name)s: %(message)s"


def find_log_file(configuration: Path) -> Path:
    """Returns where the log is in the folder of a person's files."""
    return configuration / FOLDER / NAME


def start_log(configuration: Path) -> None:
    """Starts the log in the folder of a person's files; without one where that can't be written.

    At most three files of one megabyte each, which only their owner may read.
    """
    logger = logging.getLogger("card_agent")
    if any(isinstance(handler, _PrivateHandler) for handler in logger.handlers):
        return
    file = find_log_file(configuration)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = _PrivateHandler(
            file, maxBytes=_MOST_BYTES, backupCount=_OLDER_FILES, encoding="utf-8", errors="backslashreplace"
        )
    except OSError:
        # Who may write nothing here can sign nevertheless.
        return
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _PrivateHandler(RotatingFileHandler):
    @override
    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding, errors=self.errors)

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Does nothing: a full disk, or another agent that has the file open, must not disturb the screen."""
