"""The public keys that verify the heads of an instance's histories."""

from pathlib import Path

from history.heads import PublicKeys, load_public_keys
from refusals import Code, Refusal


def locate_keys(state: Path) -> Path:
    """Returns where the launcher keeps the public key of the instance in a state folder."""
    return state / "certificates" / "history.pub"


def load_keys(file: Path) -> PublicKeys:
    """Returns the keys in a PEM file by key id. Raises HISTORY_KEY_UNREADABLE."""
    try:
        return load_public_keys(file.read_bytes())
    except (OSError, ValueError):
        raise Refusal("HISTORY_KEY_UNREADABLE", Code.FAILED_PRECONDITION, {"path": str(file)}) from None
