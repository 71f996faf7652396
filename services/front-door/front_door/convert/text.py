"""The texts of a profile."""

from instance_profile.base import Text
from toroku.frontdoor.v1 import front_door_pb2


def write_text(text: Text) -> front_door_pb2.Text:
    """Returns a text in both languages."""
    return front_door_pb2.Text(ja=text.ja, en=text.en)


def write_optional_text(text: Text | None) -> front_door_pb2.Text | None:
    """Returns a text in both languages, or None where there is none."""
    return write_text(text) if text is not None else None
