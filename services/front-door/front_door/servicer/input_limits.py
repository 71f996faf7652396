"""What the public listener accepts: nothing large, nothing invisible. The peers check the fields' own rules."""

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from instance_profile.characters import find_unusable
from refusals import Code, Refusal, Violation
from signed_acts.purpose import MOST_PURPOSE_BYTES

# The largest request, in bytes: enough for a certificate with its chain, too little for a flood.
MOST_REQUEST_BYTES = 64 * 1024
_MOST_CHARACTERS = 300
_MOST_CHARACTERS_OF = {"session_token": 64, "agency": 40, "category": 40}
_MOST_BYTES = 1024
_MOST_BYTES_OF = {
    "certificate": 16 * 1024,
    "other_certificates": 16 * 1024,
    "purpose": MOST_PURPOSE_BYTES,
    "statement": 4 * 1024,
}
_MOST_ENTRIES = 8
# A refusal travels in HTTP/2 headers, of which gRPC accepts 8 KiB.
_MOST_VIOLATIONS = 20


def check_input(request: Message) -> None:
    """Raises FIELDS_INVALID with every field of the request that is too long or has a character that no field takes.

    NUL and other control characters, and marks that change the order of writing, are accepted nowhere: PostgreSQL
    refuses the first, mail headers break at the second, and the third deceive people.
    """
    violations = list(_violations(request, ""))
    if violations:
        raise Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, {}, violations[:_MOST_VIOLATIONS])


def _violations(message: Message, prefix: str) -> Iterator[Violation]:
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        values: Sequence[object] = value if field.is_repeated else (value,)
        if len(values) > _MOST_ENTRIES:
            yield Violation(path, "INPUT_TOO_MANY", {"most": str(_MOST_ENTRIES)})
            continue
        for entry in values:
            if isinstance(entry, Message):
                # The rules of a contact name its fields without the form around it.
                yield from _violations(entry, prefix if field.name == "contact" else f"{path}.")
            elif isinstance(entry, str):
                yield from _text_violations(field, path, entry)
            elif isinstance(entry, bytes):
                yield from _bytes_violations(field, path, entry)


def _text_violations(field: FieldDescriptor, path: str, value: str) -> Iterator[Violation]:
    most = _MOST_CHARACTERS_OF.get(field.name, _MOST_CHARACTERS)
    if len(value) > most:
        yield Violation(path, "FIELD_TOO_LONG", {"most": str(most), "actual": str(len(value))})
    elif characters := find_unusable(value):
        yield Violation(path, "FIELD_HAS_CONTROL_CHARACTERS", {"characters": " ".join(characters[:5])})


def _bytes_violations(field: FieldDescriptor, path: str, value: bytes) -> Iterator[Violation]:
    most = _MOST_BYTES_OF.get(field.name, _MOST_BYTES)
    if len(value) > most:
        yield Violation(path, "INPUT_TOO_LARGE", {"most": str(most)})
