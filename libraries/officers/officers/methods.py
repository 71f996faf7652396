"""The methods of a service that need an officer's signed act, and what an act for one of their requests names."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict, Parse
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from officers.act import OfficerAct, hash_certificate, read_signed_purpose
from refusals import Code, Refusal
from servicekit.access import ACT_FIELD
from servicekit.identity import Caller
from servicekit.messages import check_request_id
from signed_acts.keys import SubjectKind
from signed_acts.purpose import PurposeType, SignedPurpose, decode, expect, expect_act, require_act
from signed_acts.request import hash_canonical
from signed_acts.signature import verify_card_signature
from signed_acts.subjects import hash_subjects
from toroku.access.v1 import access_pb2

# The fields of a request that an act names, by the keys of a purpose.
_TEXTS = ("agency", "category", "bidder_id", "person_id")
_HASHES = MappingProxyType({"card_sha256": "certificate_sha256", "proposal_sha256": "proposal_sha256"})
_LISTS = MappingProxyType({"bidder_ids": SubjectKind.BIDDER, "person_ids": SubjectKind.PERSON})


@dataclass(frozen=True, slots=True)
class ActMethod:
    """A method that needs a signed act: its full name (`package.Service/Method`), its access and its request."""

    name: str
    access: access_pb2.Access
    request_type: type[Message]

    def parse_request(self, serialized: bytes) -> Message:
        """Returns a request of the method; raises OFFICER_REQUEST_MALFORMED, also where it contains an act."""
        try:
            request = self.request_type.FromString(serialized)
        except DecodeError as error:
            raise Refusal("OFFICER_REQUEST_MALFORMED", Code.INVALID_ARGUMENT, {"method": self.name}) from error
        if request.HasField(ACT_FIELD):
            raise Refusal("OFFICER_REQUEST_MALFORMED", Code.INVALID_ARGUMENT, {"method": self.name})
        return request

    def restore_request(self, canonical: str) -> Message:
        """Returns the request with this canonical form; raises google.protobuf.json_format.ParseError."""
        return Parse(canonical, self.request_type())


class ActMethods:
    """The methods of a service that need a signed act."""

    def __init__(self, instance: str, services: Iterable[ServiceDescriptor]) -> None:
        self._instance = instance
        methods = [method for service in services for method in service.methods if _needs_act(method)]
        self._by_name = {_write_name(method): _build(method) for method in methods}
        self._by_request = {method.input_type.full_name: self._by_name[_write_name(method)] for method in methods}

    @property
    def names(self) -> Iterable[str]:
        """The full names of all methods."""
        return self._by_name.keys()

    def find(self, name: str) -> ActMethod:
        """Returns a method; raises OFFICER_METHOD_UNKNOWN where the service has no such one with an act."""
        method = self._by_name.get(name)
        if method is None:
            shown = name[:128] if name.isascii() and name.isprintable() else ""
            raise Refusal("OFFICER_METHOD_UNKNOWN", Code.INVALID_ARGUMENT, {"method": shown})
        return method

    def read(self, request: Message, officer: Caller) -> OfficerAct:
        """Returns the act of a request, signed by the key of the caller's certificate, for exactly this request.

        Raises OFFICER_ACT_MISSING, PURPOSE_MALFORMED, PURPOSE_OPERATION_UNKNOWN, PURPOSE_FOR_ANOTHER_…,
        SIGNATURE_ALGORITHM_NOT_ACCEPTED, SIGNATURE_INVALID, CERTIFICATE_KEY_WEAK, CALLER_NOT_ALLOWED.
        """
        method = self._by_request[request.DESCRIPTOR.full_name]
        if not request.HasField(ACT_FIELD):
            raise Refusal("OFFICER_ACT_MISSING", Code.INVALID_ARGUMENT, {"method": method.name})
        return self.read_signed(method, strip_act(request), read_signed_purpose(getattr(request, ACT_FIELD)), officer)

    def read_signed(self, method: ActMethod, request: Message, signed: SignedPurpose, officer: Caller) -> OfficerAct:
        """Returns the act for a request that is kept apart from it; raises as `read`."""
        certificate_sha256 = hash_certificate(officer)
        purpose = decode(signed.purpose)
        names = name_subjects(request)
        expect(
            purpose,
            instance=self._instance,
            type=PurposeType.ACT,
            operation=method.name,
            certificate_sha256=certificate_sha256,
            agency=names.pop("agency", None),
            category=names.pop("category", None),
        )
        key = load_der_x509_certificate(officer.certificate).public_key()
        key_der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        verify_card_signature(key_der, signed.algorithm, signed.purpose, signed.signature)
        # The request's id travels in the purpose.
        request_id = require_act(purpose).request_id
        request_sha256 = hash_canonical(request)
        expect_act(purpose, request_id=request_id, request_sha256=request_sha256, **names)
        return OfficerAct(
            officer=officer,
            method=method.name,
            roles=frozenset() if method.access.unregistered_officers else frozenset(method.access.officer_roles),
            request_id=check_request_id(request_id),
            request_sha256=request_sha256,
            purpose=purpose,
            signed=signed,
        )


def strip_act(request: Message) -> Message:
    """Returns a copy of a request without its act."""
    copy = type(request)()
    copy.CopyFrom(request)
    copy.ClearField(ACT_FIELD)
    return copy


def write_canonical(request: Message) -> str:
    """Returns a request without its act as it is hashed: canonical JSON (RFC 8785)."""
    return rfc8785.dumps(MessageToDict(request, preserving_proto_field_name=True)).decode()


def name_subjects(request: Message) -> dict[str, Any]:
    """Returns what an act for this request names, by the keys of a purpose; raises PURPOSE_MALFORMED for a list."""
    fields = request.DESCRIPTOR.fields_by_name
    names: dict[str, Any] = {key: getattr(request, key) for key in _TEXTS if key in fields and getattr(request, key)}
    for key, name in _HASHES.items():
        if name in fields and getattr(request, name):
            names[key] = getattr(request, name)
    for name, kind in _LISTS.items():
        if name in fields and getattr(request, name):
            names["subjects"] = hash_subjects(kind, getattr(request, name))
    return names


def _needs_act(method: MethodDescriptor) -> bool:
    return bool(method.GetOptions().Extensions[access_pb2.access].act)


def _write_name(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


def _build(method: MethodDescriptor) -> ActMethod:
    access = method.GetOptions().Extensions[access_pb2.access]
    return ActMethod(_write_name(method), access, GetMessageClass(method.input_type))
