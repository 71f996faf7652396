"""Texts, hashes and instants of messages."""

from datetime import datetime

from google.protobuf.message import Message

from servicekit.messages import check_sha256, read_timestamp


def read_certificate_sha256(value: bytes) -> bytes:
    """Returns the hash that identifies a card, 32 bytes; raises CERTIFICATE_SHA256_INVALID."""
    return check_sha256(value, "CERTIFICATE_SHA256_INVALID")


def find_instant(message: Message, field: str) -> datetime | None:
    """Returns the instant of a field; None where it is not set or out of range."""
    try:
        return read_timestamp(getattr(message, field)) if message.HasField(field) else None
    except (ValueError, OverflowError):
        return None


def is_text(text: str) -> bool:
    """Returns whether a text is there and may be stored: PostgreSQL refuses a NUL, and with it the whole list."""
    return text != "" and "\x00" not in text
