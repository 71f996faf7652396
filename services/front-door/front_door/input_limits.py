"""What the public listener takes: nothing large, nothing invisible. The fields' own rules are checked behind it."""

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from instance_profile.characters import find_unusable
from refusals import Code, Refusal, Violation

# The largest request, in bytes: a certificate with its chain fits, a flood does not.
MOST_REQUEST_BYTES = 64 * 1024
_MOST_CHARACTERS = 300
_MOST_CHARACTERS_OF = {"session_token": 64, "agency": 40, "category": 40}
_MOST_BYTES = 1024
_MOST_BYTES_OF = {
    "certificate": 16 * 1024,
    "other_certificates": 16 * 1024,
    "purpose": 16 * 1024,
    "statement": 4 * 1024,
}
_MOST_ENTRIES = 8


def check_input(request: Message) -> None:
    """Raises FIELDS_INVALID with every field of the request that is too long or holds a character that no field takes.

    NUL, other control characters, and marks that turn the direction of writing have no place anywhere: PostgreSQL
    refuses the first, mail headers break at the second, and people are deceived by the third.
    """
    violations = list(_violations(request, ""))
    if violations:
        raise Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, {}, violations[:20])


def _violations(message: Message, path: str) -> Iterator[Violation]:
    for field, value in message.ListFields():
        here = f"{path}{field.name}"
        values: Sequence[object] = value if field.is_repeated else (value,)
        if len(values) > _MOST_ENTRIES:
            yield Violation(here, "INPUT_TOO_MANY", {"most": str(_MOST_ENTRIES)})
            continue
        for entry in values:
            if isinstance(entry, Message):
                # The rules of a contact name its fields without the form around it.
                yield from _violations(entry, path if field.name == "contact" else f"{here}.")
            elif isinstance(entry, str | bytes):
                yield from _wrong(field, here, entry)


def _wrong(field: FieldDescriptor, here: str, value: str | bytes) -> Iterator[Violation]:
    if isinstance(value, bytes):
        most = _MOST_BYTES_OF.get(field.name, _MOST_BYTES)
        if len(value) > most:
            yield Violation(here, "INPUT_TOO_LARGE", {"most": str(most)})
        return
    most = _MOST_CHARACTERS_OF.get(field.name, _MOST_CHARACTERS)
    if len(value) > most:
        yield Violation(here, "FIELD_TOO_LONG", {"most": str(most), "actual": str(len(value))})
    elif bad := find_unusable(value):
        yield Violation(here, "FIELD_HAS_CONTROL_CHARACTERS", {"characters": " ".join(bad[:5])})
