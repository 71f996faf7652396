"""protobuf and profile ↔ domain: the only place where they meet."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from certificate_registry.domain.bidder_proof import BidderProof, BidderStatement, invalid_proof
from certificate_registry.domain.binding import CardStanding
from certificate_registry.domain.card import Card, SignedPurpose
from certificate_registry.domain.purpose import Operation
from certificate_registry.domain.registration import Bidder, BidderStatus, Origin, Registration, Version
from certificate_registry.pki.card_authorities import (
    CardAuthority,
    RevocationRule,
    UnknownStatus,
    load_pem_certificates,
)
from certificate_registry.pki.certificate import format_serial_decimal, format_serial_hexadecimal
from certificate_registry.pki.path_validation import RevocationStatus
from certificate_registry.pki.signature import parse_signature_algorithm
from certificate_registry.store.propagation import Propagated, Result
from instance_profile.model import Profile
from refusals import Code, Refusal
from servicekit.messages import check_request_id
from toroku.certificate.v1 import resources_pb2, service_pb2
from toroku.event.v1 import version_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

_SHA256_BYTES = 32
_ALGORITHM_PREFIX = "SIGNATURE_ALGORITHM_"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_OPERATIONS = {
    resources_pb2.OPERATION_REGISTRATION: Operation.REGISTRATION,
    resources_pb2.OPERATION_CHANGE: Operation.CHANGE,
    resources_pb2.OPERATION_RENEWAL: Operation.RENEWAL,
}
_STANDINGS = {
    CardStanding.NEW: resources_pb2.CARD_STANDING_NEW,
    CardStanding.REGISTERED_ELSEWHERE: resources_pb2.CARD_STANDING_REGISTERED_ELSEWHERE,
    CardStanding.REGISTERED_HERE: resources_pb2.CARD_STANDING_REGISTERED_HERE,
}
_ORIGINS = {
    Origin.CONTRACTOR: resources_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
    Origin.PROPAGATION: resources_pb2.REGISTRATION_ORIGIN_PROPAGATION,
}
_REVOCATIONS = {
    RevocationStatus.GOOD: resources_pb2.REVOCATION_STATUS_GOOD,
    RevocationStatus.UNKNOWN: resources_pb2.REVOCATION_STATUS_UNKNOWN,
}
_BIDDER_STATUSES = {
    qualification_pb2.BIDDER_STATUS_ACTIVE: BidderStatus.ACTIVE,
    qualification_pb2.BIDDER_STATUS_SUSPENDED: BidderStatus.SUSPENDED,
    qualification_pb2.BIDDER_STATUS_ENDED: BidderStatus.ENDED,
}
_RESULTS = {
    Result.DONE: service_pb2.PropagatedRegistration.RESULT_DONE,
    Result.CARD_NOT_GOOD: service_pb2.PropagatedRegistration.RESULT_CARD_NOT_GOOD,
    Result.REGISTRATION_UNKNOWN: service_pb2.PropagatedRegistration.RESULT_REGISTRATION_UNKNOWN,
}


def authorities(profile: Profile) -> Sequence[CardAuthority]:
    """The CAs of a profile. Raises ValueError where a certificate can't be read."""
    return [
        CardAuthority(
            id=authority.id,
            key_sha256=frozenset(authority.key_sha256),
            certificates=load_pem_certificates(authority.certificates),
            company_name=authority.company_name,
            company_address=authority.company_address,
            holder_name=authority.holder_name,
            holder_address=authority.holder_address,
            revocation=RevocationRule(
                unknown=UnknownStatus(authority.revocation.unknown.value),
                most_age=timedelta(hours=authority.revocation.most_age_hours),
                refresh=timedelta(minutes=authority.revocation.refresh_minutes),
                crl_urls=authority.revocation.crl_urls,
            ),
            required_policies=frozenset(authority.required_policies),
            accepted_extended_key_usages=frozenset(authority.accepted_extended_key_usages),
        )
        for authority in profile.card_authorities
    ]


def operation(value: "resources_pb2.Operation.ValueType") -> Operation:
    """The operation; raises OPERATION_UNKNOWN."""
    found = _OPERATIONS.get(value)
    if found is None:
        raise Refusal("OPERATION_UNKNOWN", Code.INVALID_ARGUMENT, {"operation": str(value)})
    return found


def signed_purpose(message: resources_pb2.SignedPurpose) -> SignedPurpose:
    """A signed purpose; raises SIGNATURE_ALGORITHM_NOT_ACCEPTED."""
    known = resources_pb2.SignatureAlgorithm.DESCRIPTOR.values_by_number.get(message.algorithm)
    name = known.name.removeprefix(_ALGORITHM_PREFIX) if known is not None else str(message.algorithm)
    return SignedPurpose(message.purpose, parse_signature_algorithm(name), message.signature)


def bidder_proof(message: qualification_pb2.BidderProof) -> BidderProof:
    """A proof as it came."""
    return BidderProof(message.statement, message.key_id, message.signature)


def bidder_statement(proof: BidderProof) -> BidderStatement:
    """What a proof states, to be read after its signature was verified; raises BIDDER_PROOF_INVALID."""
    try:
        statement = qualification_pb2.BidderStatement.FromString(proof.statement)
        return BidderStatement(
            instance=statement.instance,
            bidder_id=statement.bidder_id,
            agency=statement.agency,
            category=statement.category,
            certificate_sha256=statement.certificate_sha256,
            issued_at=statement.issued_at.ToDatetime(UTC),
            expires_at=statement.expires_at.ToDatetime(UTC),
        )
    except (DecodeError, ValueError, OverflowError) as error:
        raise invalid_proof() from error


def bidder(message: qualification_pb2.Bidder) -> Bidder:
    """The state of a bidder; raises BIDDER_STATUS_UNKNOWN."""
    status = _BIDDER_STATUSES.get(message.status)
    if status is None:
        raise Refusal("BIDDER_STATUS_UNKNOWN", Code.INVALID_ARGUMENT, {"bidder_id": message.bidder_id[:64]})
    return Bidder(message.bidder_id, status, Version(message.version.epoch, message.version.number))


def certificate_sha256(value: bytes) -> bytes:
    """The hash that names a card; raises CERTIFICATE_SHA256_INVALID unless it has 32 bytes."""
    if len(value) != _SHA256_BYTES:
        raise Refusal("CERTIFICATE_SHA256_INVALID", Code.INVALID_ARGUMENT)
    return value


def request_sha256(value: bytes) -> bytes:
    """The hash of a canonical request; raises REQUEST_SHA256_INVALID unless it has 32 bytes."""
    if len(value) != _SHA256_BYTES:
        raise Refusal("REQUEST_SHA256_INVALID", Code.INVALID_ARGUMENT)
    return value


def request_id(value: str) -> UUID:
    """A request id; raises REQUEST_ID_INVALID."""
    return check_request_id(value)


def registration_id(value: str) -> UUID:
    """The id of a registration; raises REGISTRATION_ID_INVALID."""
    try:
        return UUID(value)
    except ValueError:
        raise Refusal("REGISTRATION_ID_INVALID", Code.INVALID_ARGUMENT) from None


def card_message(card: Card) -> resources_pb2.Card:
    """What is shown of a card (CRD-04). A part that its certificate lacks is not set."""
    values = card.values
    return resources_pb2.Card(
        certificate_sha256=card.certificate_sha256,
        serial_decimal=format_serial_decimal(card.serial),
        serial_hexadecimal=format_serial_hexadecimal(card.serial),
        issuer=card.issuer,
        company_name=values.company_name,
        company_address=values.company_address,
        holder_name=values.holder_name,
        holder_address=values.holder_address,
        not_before=timestamp(card.not_before),
        not_after=timestamp(card.not_after),
        authority=card.authority,
        revocation=resources_pb2.RevocationCheck(
            status=_REVOCATIONS[card.revocation_status],
            crl_this_update=timestamp(card.crl_this_update) if card.crl_this_update else None,
        ),
    )


def standing_message(standing: CardStanding) -> "resources_pb2.CardStanding.ValueType":
    """How a card stands."""
    return _STANDINGS[standing]


def registration_message(registration: Registration) -> resources_pb2.Registration:
    """A registration for the wire."""
    return resources_pb2.Registration(
        registration_id=str(registration.registration_id),
        agency=registration.agency,
        category=registration.category,
        certificate_sha256=registration.certificate_sha256,
        bidder_id=registration.bidder_id,
        registered_at=timestamp(registration.registered_at),
        origin=_ORIGINS[registration.origin],
        version=version_pb2.Version(epoch=registration.version.epoch, number=registration.version.number),
    )


def registration_event(
    registration: Registration, card: Card, request: tuple[UUID, bytes] | None
) -> resources_pb2.RegistrationEvent:
    """The event of a registration; `request` (id and hash) is what a contractor made it by, None in a propagation."""
    event = resources_pb2.RegistrationEvent(registration=registration_message(registration), card=card_message(card))
    if request is not None:
        event.request_id, event.request_sha256 = str(request[0]), request[1]
    return event


def propagated_message(propagated: Propagated) -> service_pb2.PropagatedRegistration:
    """What became of one registration at one further agency."""
    return service_pb2.PropagatedRegistration(
        source_registration_id=str(propagated.source_registration_id),
        agency=propagated.agency,
        result=_RESULTS[propagated.result],
        registration_id=str(propagated.registration_id) if propagated.registration_id else "",
    )


def timestamp(moment: datetime) -> Timestamp:
    """An aware moment for the wire. Every ResolveUser needs one; FromDatetime takes five times as long."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)
