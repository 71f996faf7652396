"""The phrase that the person chose, by which a page of this agent is known from an imitation on another port."""

import unicodedata
from pathlib import Path

from card_agent.private_files import write_private
from refusals import Code, Refusal

_FILE_NAME = "phrase"
_MOST_CHARACTERS = 40
_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def read_phrase(folder: Path) -> str:
    """Returns the phrase; empty where none was chosen, or its file can't be read."""
    try:
        return (folder / _FILE_NAME).read_text("utf-8").strip()[:_MOST_CHARACTERS]
    except (OSError, ValueError):
        return ""


def save_phrase(folder: Path, typed: str) -> None:
    """Keeps a phrase. Raises PHRASE_FORM for one that could not be shown, FILE_UNWRITABLE."""
    phrase = unicodedata.normalize("NFC", typed).strip()
    if not 0 < len(phrase) <= _MOST_CHARACTERS or any(unicodedata.category(each) in _UNSHOWABLE for each in phrase):
        raise Refusal("PHRASE_FORM", Code.INVALID_ARGUMENT, {"most": str(_MOST_CHARACTERS)})
    file = folder / _FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_private(file, phrase)
    except OSError as error:
        raise Refusal("FILE_UNWRITABLE", Code.UNAVAILABLE, {"file": str(file)}) from error
