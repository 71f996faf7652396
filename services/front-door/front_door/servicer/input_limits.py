"""What the public listener accepts: nothing large, nothing invisible. The peers check the fields' own rules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from instance_profile.characters import find_unusable
from refusals import Code, Refusal, Violation
from signed_acts.purpose import MOST_PURPOSE_BYTES

_MOST_CHARACTERS = 300
# A serial number has up to 20 octets (RFC 5280), which are 49 digits.
_MOST_CHARACTERS_OF = {
    "session_token": 64,
    "old_session_token": 64,
    "new_session_token": 64,
    "agency": 40,
    "category": 40,
    "predecessor_serial": 60,
}
_MOST_BYTES = 1024
_MOST_BYTES_OF = {
    "certificate": 16 * 1024,
    "other_certificates": 16 * 1024,
    "purpose": MOST_PURPOSE_BYTES,
    "statement": 4 * 1024,
}
# All entries of a field together.
_MOST_BYTES_TOGETHER = {"other_certificates": 32 * 1024}
_MOST_ENTRIES = 8
# UTF-8 has at most four bytes for a character; a field has its tag and its length besides.
_BYTES_PER_CHARACTER = 4
_BYTES_AROUND = 8
_NUMBER_BYTES = 10
# For fields that only a newer client knows, and so that a value which is a little too long is named in the refusal.
_SLACK_BYTES = 4 * 1024
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


def compute_sizes(services: Iterable[ServiceDescriptor]) -> Mapping[str, int]:
    """Returns the size in bytes of the largest request that `check_input` accepts, with some slack, by method."""
    return {
        f"/{service.full_name}/{method.name}": _compute_largest(method.input_type) + _SLACK_BYTES
        for service in services
        for method in service.methods
    }


def _compute_largest(request: Descriptor) -> int:
    return sum(_compute_largest_field(field) for field in request.fields)


def _compute_largest_field(field: FieldDescriptor) -> int:
    if field.message_type is not None:
        most = _compute_largest(field.message_type)
    elif field.type == FieldDescriptor.TYPE_STRING:
        most = _MOST_CHARACTERS_OF.get(field.name, _MOST_CHARACTERS) * _BYTES_PER_CHARACTER
    elif field.type == FieldDescriptor.TYPE_BYTES:
        most = _MOST_BYTES_OF.get(field.name, _MOST_BYTES)
    else:
        most = _NUMBER_BYTES
    if not field.is_repeated:
        return most + _BYTES_AROUND
    together = _MOST_BYTES_TOGETHER.get(field.name, most * _MOST_ENTRIES)
    return together + _BYTES_AROUND * _MOST_ENTRIES


def _violations(message: Message, prefix: str) -> Iterator[Violation]:
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        values: Sequence[object] = value if field.is_repeated else (value,)
        if len(values) > _MOST_ENTRIES:
            yield Violation(path, "INPUT_TOO_MANY", {"most": str(_MOST_ENTRIES)})
            continue
        together = _MOST_BYTES_TOGETHER.get(field.name)
        if together is not None and sum(len(entry) for entry in values if isinstance(entry, bytes)) > together:
            yield Violation(path, "INPUT_TOO_LARGE", {"most": str(together)})
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
