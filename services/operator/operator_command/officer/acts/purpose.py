"""Whether what a service asks to be signed is exactly this command's own request, and nothing else.

The purpose is parsed strictly, and everything in it but its lines is known beforehand. The lines are the service's.
"""

from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from signed_acts.keys import SubjectKind, SubjectList
from signed_acts.purpose import Purpose, PurposeType, decode, expect, expect_act
from signed_acts.request import hash_canonical
from signed_acts.subjects import hash_subjects

_SUBJECTS = {"bidder_ids": SubjectKind.BIDDER, "person_ids": SubjectKind.PERSON}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRequest:
    """What a command is about to do: a method's request without `act`, under a request_id, at an instance."""

    instance: str
    certificate_sha256: bytes
    method: MethodDescriptor
    request: Message
    request_id: str


def name_method(method: MethodDescriptor) -> str:
    """Returns a method's full name, which is the operation of its acts."""
    return f"{method.containing_service.full_name}/{method.name}"


def accept_purpose(encoded: bytes, own: OwnRequest) -> Purpose:
    """Returns the purpose with this encoding if it is for exactly the command's own request.

    Raises PURPOSE_MALFORMED, PURPOSE_OPERATION_UNKNOWN, and the refusals of `expect` and `expect_act`.
    """
    purpose = decode(encoded)
    request = own.request
    expect(
        purpose,
        instance=own.instance,
        type=PurposeType.ACT,
        operation=name_method(own.method),
        certificate_sha256=own.certificate_sha256,
        agency=_read_text(request, "agency"),
        category=_read_text(request, "category"),
    )
    expect_act(
        purpose,
        request_id=own.request_id,
        request_sha256=hash_canonical(request),
        bidder_id=_read_text(request, "bidder_id"),
        card_sha256=_read_bytes(request, "certificate_sha256"),
        person_id=_read_text(request, "person_id"),
        subjects=_hash_subjects(request),
        proposal_sha256=_read_bytes(request, "proposal_sha256"),
    )
    return purpose


def _read_text(request: Message, field: str) -> str | None:
    """Returns a field of a request; None where the request has no such field, or nothing in it."""
    value = getattr(request, field, "")
    return str(value) or None


def _read_bytes(request: Message, field: str) -> bytes | None:
    return bytes(getattr(request, field, b"")) or None


def _hash_subjects(request: Message) -> SubjectList | None:
    for field, kind in _SUBJECTS.items():
        if ids := list(getattr(request, field, ())):
            return hash_subjects(kind, ids)
    return None
