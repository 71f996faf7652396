"""`toroku check`: asks a running instance what a registration would ask, from outside, and changes nothing.

Three questions: does the front door tell about its instance; does it send a certificate on to certificate-registry,
which has to look into its database before it can refuse a CA that nobody trusts; and, as an agency, whose card is one
that nobody has. Every step is told as what was asked and what came.
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

from operator_command.client.connection import Connection, channel, read_file
from refusals import Code, Refusal
from refusals.status import STATUS_METADATA_KEY, from_rpc_error
from toroku.certificate.v1.service_pb2 import ResolveUserRequest, ResolveUserResponse
from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryStub
from toroku.frontdoor.v1.entry_pb2 import DescribeInstanceRequest
from toroku.frontdoor.v1.entry_pb2_grpc import EntryStub
from toroku.frontdoor.v1.registration_pb2 import BeginRegistrationRequest
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub
from toroku.frontdoor.v1.resources_pb2 import Instance

CALL_SECONDS = 20.0
# What the registry has to say of a certificate that this command made up.
EXPECTED = "CERTIFICATE_AUTHORITY_UNKNOWN"
CLOSED = "OUTSIDE_OPENING_HOURS"
# These say that the pair of agency and category does not fit, not that something is broken.
ELSEWHERE = {"CATEGORY_WITHOUT_CARD", "OPERATION_NOT_OFFERED"}

Answer = TypeVar("Answer", bound=Message)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Where contractors call: `host:port`, the name on its certificate where that is another, the CA (None: public)."""

    endpoint: str
    name: str | None
    trust: Path | None


@dataclass(frozen=True, slots=True)
class AskingAgency:
    """A registered agency, and how it reaches certificate-registry."""

    code: str
    connection: Connection


def check(front_door: FrontDoor, agency: AskingAgency | None, say: Say) -> None:
    """Asks everything and tells each step by `say`.

    Raises CHECK_NOT_ANSWERED, CHECK_ANSWERED_OTHERWISE and CLIENT_FILE_UNREADABLE, which say what to do.
    """
    with _front_door(front_door) as opened:
        instance = _describe(EntryStub(opened), front_door, say)
        _begin(RegistrationStub(opened), front_door, instance, say)
    if agency is not None:
        _resolve(agency, instance, say)


def closing_words(file: Path, values: Mapping[str, str]) -> str:
    """The text of a file, `$NAME` replaced by that value; unknown names stay. Raises CLIENT_FILE_UNREADABLE."""
    return Template(read_file(file).decode().rstrip()).safe_substitute(values)


def _describe(stub: Any, front_door: FrontDoor, say: Say) -> Instance:
    asked = f"the front door {front_door.endpoint} about its instance"
    answer = _ask(stub.DescribeInstance, DescribeInstanceRequest(), asked, front_door.endpoint)
    if isinstance(answer, Refusal):
        raise _otherwise(asked, answer.reason, "agencies and categories")
    instance: Instance = answer.instance
    if not instance.agencies or not instance.categories:
        raise _otherwise(asked, "no agency or no category", "agencies and categories")
    counts = f"{len(instance.agencies)} agencies, {len(instance.categories)} categories"
    say(f"asked {asked}: {instance.name.ja} ({instance.id}), {counts}")
    return instance


def _begin(stub: Any, front_door: FrontDoor, instance: Instance, say: Say) -> None:
    certificate = _throw_away_certificate()
    reason = ""
    for agency, category in _pairs(instance):
        asked = f"for a registration at {agency} in {category} with a certificate of no CA"
        request = BeginRegistrationRequest(agency=agency, category=category, certificate=certificate)
        refusal = _refusal_of(stub, request, asked, front_door)
        if refusal.reason == CLOSED:
            until = refusal.metadata.get("opens_next_en") or "not known yet"
            say(f"asked {asked}: it is up, and closed; it opens next: {until}")
            # Who comes back for a lost receipt is let in at any hour, and the certificate is judged all the same.
            request.resume_request_id = str(uuid4())
            asked = f"the same at {agency} for the receipt of a registration that was never made"
            refusal = _refusal_of(stub, request, asked, front_door)
        reason = refusal.reason
        if reason not in ELSEWHERE:
            break
    if reason != EXPECTED:
        raise _otherwise(asked, reason, EXPECTED)
    say(f"asked {asked}: {EXPECTED}, as it has to be; front door, certificate-registry and its database work")


def _resolve(agency: AskingAgency, instance: Instance, say: Say) -> None:
    endpoint = agency.connection.endpoint
    asked = f"certificate-registry at {endpoint} as {agency.code} whose card one is that nobody has"
    offered = next((entry.categories for entry in instance.agencies if entry.code == agency.code), None)
    if not offered:
        known = ", ".join(entry.code for entry in instance.agencies)
        raise _otherwise(asked, f"{agency.code} is no agency of {instance.id}", f"one of {known}")
    request = ResolveUserRequest(
        agency=agency.code,
        category=offered[0],
        certificate_sha256=secrets.token_bytes(32),
        # Nobody has the card, so nobody can be let in by mistake.
        possession_verified=True,
    )
    with channel("certificate-registry", agency.connection) as opened:
        answer = _ask(CertificateRegistryStub(opened).ResolveUser, request, asked, endpoint)
    if isinstance(answer, Refusal):
        raise _otherwise(asked, answer.reason, "NOT_REGISTERED")
    verdict = ResolveUserResponse.Verdict.Name(answer.verdict).removeprefix("VERDICT_")
    if verdict != "NOT_REGISTERED":
        raise _otherwise(asked, verdict, "NOT_REGISTERED")
    say(f"asked {asked}: NOT_REGISTERED, as it has to be")


def _refusal_of(stub: Any, request: BeginRegistrationRequest, asked: str, front_door: FrontDoor) -> Refusal:
    answer = _ask(stub.BeginRegistration, request, asked, front_door.endpoint)
    if isinstance(answer, Refusal):
        return answer
    raise _otherwise(asked, "a challenge", EXPECTED)


def _pairs(instance: Instance) -> Iterator[tuple[str, str]]:
    """One agency for each category that any offers."""
    for category in instance.categories:
        for agency in instance.agencies:
            if category.code in agency.categories:
                yield agency.code, category.code
                break


def _ask(method: Callable[..., Answer], request: Message, asked: str, endpoint: str) -> Answer | Refusal:
    """The answer, or what the other side refused. Raises CHECK_NOT_ANSWERED where nobody answered at all."""
    try:
        return method(request, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        call = cast(grpc.Call, error)
        if any(key == STATUS_METADATA_KEY for key, _ in call.trailing_metadata() or ()):
            # The door itself is up, even where it says that something behind it is not.
            return from_rpc_error(error)
        cause = f"{call.code().name}: {call.details()}"[:300]
        metadata = {"asked": asked, "endpoint": endpoint, "cause": cause}
        raise Refusal("CHECK_NOT_ANSWERED", Code.UNAVAILABLE, metadata) from None


def _otherwise(asked: str, came: str, expected: str) -> Refusal:
    metadata = {"asked": asked, "came": came, "expected": expected}
    return Refusal("CHECK_ANSWERED_OTHERWISE", Code.FAILED_PRECONDITION, metadata)


def _front_door(front_door: FrontDoor) -> grpc.Channel:
    trusted = read_file(front_door.trust) if front_door.trust is not None else None
    options = [("grpc.ssl_target_name_override", front_door.name)] if front_door.name else []
    return grpc.secure_channel(front_door.endpoint, grpc.ssl_channel_credentials(trusted), options)


def _throw_away_certificate() -> bytes:
    """A certificate (DER) that looks like a card's, of a CA that exists for this moment only."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    own, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("toroku check", "toroku check, no CA")
    )
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"), False
    ) | {"digital_signature": True, "content_commitment": True, "encipher_only": False, "decipher_only": False}
    certificate = (
        x509.CertificateBuilder()
        .subject_name(own)
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
