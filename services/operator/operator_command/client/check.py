"""Checks a running instance from outside with the questions of a registration; changes nothing.

1. The front door describes its instance.
2. The front door forwards a certificate to certificate-registry, which refuses its unknown CA after a look into its
   database.
3. For an agency: user-lookup reports an unknown card as not registered.

Every step is reported as a question and its answer.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any, TypeVar, cast
from uuid import uuid4

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from google.protobuf.message import Message

from operator_command.client.connection import Connection, open_channel, read_file
from refusals import Code, Refusal
from refusals.status import STATUS_METADATA_KEY, from_rpc_error
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserRequest, ResolveUserResponse
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub
from toroku.frontdoor.v1.entry_pb2 import DescribeInstanceRequest
from toroku.frontdoor.v1.entry_pb2_grpc import EntryStub
from toroku.frontdoor.v1.front_door_pb2 import Instance
from toroku.frontdoor.v1.registration_pb2 import BeginRegistrationRequest
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub

CALL_SECONDS = 20.0
# The registry's refusal of a certificate issued by this command.
EXPECTED_REASON = "CERTIFICATE_AUTHORITY_UNKNOWN"
CLOSED_REASON = "OUTSIDE_OPENING_HOURS"
# Refusals of the pair of agency and category; nothing is broken, another pair may do.
PAIR_REASONS = {"OPERATION_NOT_OFFERED"}

Answer = TypeVar("Answer", bound=Message)
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Contractors' endpoint: `host:port`, the name in its certificate if another, its CA (None: public CAs)."""

    endpoint: str
    name: str | None
    trust: Path | None


@dataclass(frozen=True, slots=True)
class CallingAgency:
    """A registered agency and its connection to user-lookup."""

    code: str
    connection: Connection


def check(front_door: FrontDoor, agency: CallingAgency | None, report: Report) -> None:
    """Asks all questions and reports each step.

    Raises CHECK_NOT_ANSWERED, CHECK_ANSWERED_OTHERWISE and CLIENT_FILE_UNREADABLE.
    """
    with _open_front_door(front_door) as channel:
        instance = _describe(EntryStub(channel), front_door, report)
        _begin(RegistrationStub(channel), front_door, instance, report)
    if agency is not None:
        _resolve(agency, instance, report)


def fill_template(file: Path, values: Mapping[str, str]) -> str:
    """Returns the file's text with every known `$NAME` replaced by its value. Raises CLIENT_FILE_UNREADABLE."""
    return Template(read_file(file).decode().rstrip()).safe_substitute(values)


def _describe(stub: Any, front_door: FrontDoor, report: Report) -> Instance:
    question = f"the front door {front_door.endpoint} about its instance"
    answer = _ask(stub.DescribeInstance, DescribeInstanceRequest(), question, front_door.endpoint)
    if isinstance(answer, Refusal):
        raise _unexpected(question, answer.reason, "agencies and categories")
    instance: Instance = answer.instance
    if not instance.agencies or not instance.categories:
        raise _unexpected(question, "no agency or no category", "agencies and categories")
    counts = f"{len(instance.agencies)} agencies, {len(instance.categories)} categories"
    report(f"asked {question}: {instance.name.ja} ({instance.id}), {counts}")
    return instance


def _begin(stub: Any, front_door: FrontDoor, instance: Instance, report: Report) -> None:
    certificate = _make_certificate()
    question = reason = ""
    for agency, category in _pairs(instance):
        question = f"for a registration at {agency} in {category} with a certificate of an unknown CA"
        request = BeginRegistrationRequest(agency=agency, category=category, certificate=certificate)
        refusal = _expect_refusal(stub, request, question, front_door)
        if refusal.reason == CLOSED_REASON:
            opening = refusal.metadata.get("opens_next_en") or "not known yet"
            report(f"asked {question}: it is up but closed; next opening: {opening}")
            # The receipt of a lost answer may be fetched at any hour, and the certificate is checked all the same.
            request.resume_request_id = str(uuid4())
            question = f"{agency} for the receipt of a registration that was never made"
            refusal = _expect_refusal(stub, request, question, front_door)
        reason = refusal.reason
        if reason not in PAIR_REASONS:
            break
    if reason != EXPECTED_REASON:
        raise _unexpected(question, reason, EXPECTED_REASON)
    report(f"asked {question}: {EXPECTED_REASON}, as expected; front door, certificate-registry and its database work")


def _resolve(agency: CallingAgency, instance: Instance, report: Report) -> None:
    endpoint = agency.connection.endpoint
    question = f"user-lookup at {endpoint} as {agency.code} about an unknown card"
    categories = next((entry.categories for entry in instance.agencies if entry.code == agency.code), None)
    if not categories:
        codes = ", ".join(entry.code for entry in instance.agencies)
        raise _unexpected(question, f"{agency.code} is no agency of {instance.id}", f"one of {codes}")
    request = ResolveUserRequest(
        agency=agency.code,
        category=categories[0],
        certificate_sha256=secrets.token_bytes(32),
        # Harmless, because the card does not exist.
        possession_verified=True,
    )
    with open_channel("user-lookup", agency.connection) as channel:
        answer = _ask(UserLookupStub(channel).ResolveUser, request, question, endpoint)
    if isinstance(answer, Refusal):
        raise _unexpected(question, answer.reason, "NOT_REGISTERED")
    verdict = ResolveUserResponse.Verdict.Name(answer.verdict).removeprefix("VERDICT_")
    if verdict != "NOT_REGISTERED":
        raise _unexpected(question, verdict, "NOT_REGISTERED")
    report(f"asked {question}: NOT_REGISTERED, as expected")


def _expect_refusal(stub: Any, request: BeginRegistrationRequest, question: str, front_door: FrontDoor) -> Refusal:
    answer = _ask(stub.BeginRegistration, request, question, front_door.endpoint)
    if isinstance(answer, Refusal):
        return answer
    raise _unexpected(question, "a challenge", EXPECTED_REASON)


def _pairs(instance: Instance) -> Iterator[tuple[str, str]]:
    """Yields one agency for each category offered anywhere."""
    for category in instance.categories:
        for agency in instance.agencies:
            if category.code in agency.categories:
                yield agency.code, category.code
                break


def _ask(method: Callable[..., Answer], request: Message, question: str, endpoint: str) -> Answer | Refusal:
    """Returns the answer, or the service's refusal. Raises CHECK_NOT_ANSWERED where no service answered."""
    try:
        return method(request, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        call = cast(grpc.Call, error)
        if any(key == STATUS_METADATA_KEY for key, _ in call.trailing_metadata() or ()):
            # The service itself is up, even if it reports a failure behind it.
            return from_rpc_error(error)
        cause = f"{call.code().name}: {call.details()}"[:300]
        metadata = {"asked": question, "endpoint": endpoint, "cause": cause}
        raise Refusal("CHECK_NOT_ANSWERED", Code.UNAVAILABLE, metadata) from None


def _unexpected(question: str, answer: str, expected: str) -> Refusal:
    metadata = {"asked": question, "came": answer, "expected": expected}
    return Refusal("CHECK_ANSWERED_OTHERWISE", Code.FAILED_PRECONDITION, metadata)


def _open_front_door(front_door: FrontDoor) -> grpc.Channel:
    authority = read_file(front_door.trust) if front_door.trust is not None else None
    options = [("grpc.ssl_target_name_override", front_door.name)] if front_door.name else []
    return grpc.secure_channel(front_door.endpoint, grpc.ssl_channel_credentials(authority), options)


def _make_certificate() -> bytes:
    """Makes a certificate (DER) like a card's; the key of its CA is forgotten at once."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("toroku check", "toroku check, no CA")
    )
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"), False
    ) | {"digital_signature": True, "content_commitment": True, "encipher_only": False, "decipher_only": False}
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.DER)
