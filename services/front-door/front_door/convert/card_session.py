"""Cards, challenges and sessions."""

from front_door.convert.card_state import read_card_state
from front_door.domain.card_session import (
    ActChallenge,
    Card,
    CardRole,
    CardSession,
    CardStanding,
    LogInChallenge,
    OpenedSession,
    PresentedCard,
    SessionReference,
    SignedPurpose,
)
from refusals import Code, Refusal
from servicekit.messages import read_timestamp
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.frontdoor.v1 import advice_pb2, change_pb2, entry_pb2, propagations_pb2, registration_pb2, renewal_pb2

_STANDINGS = {
    card_pb2.CARD_STANDING_NEW: CardStanding.NEW,
    card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE: CardStanding.REGISTERED_ELSEWHERE,
    card_pb2.CARD_STANDING_REGISTERED_HERE: CardStanding.REGISTERED_HERE,
}
_STANDING_NUMBERS = {standing: number for number, standing in _STANDINGS.items()}
_ROLES = {
    CardRole.SOLE: card_pb2.CARD_ROLE_UNSPECIFIED,
    CardRole.OLD: card_pb2.CARD_ROLE_OLD,
    CardRole.NEW: card_pb2.CARD_ROLE_NEW,
}
_ROLES_BY_NUMBER = {number: role for role, number in _ROLES.items()}

# The requests that present a card.
PresentingRequest = (
    registration_pb2.BeginRegistrationRequest
    | registration_pb2.OpenSessionRequest
    | change_pb2.BeginChangeRequest
    | change_pb2.OpenChangeSessionRequest
    | advice_pb2.BeginAdviceRequest
    | advice_pb2.OpenAdviceSessionRequest
    | renewal_pb2.BeginRenewalRequest
    | renewal_pb2.OpenRenewalSessionRequest
)
_BEGINNING = (
    registration_pb2.BeginRegistrationRequest,
    change_pb2.BeginChangeRequest,
    advice_pb2.BeginAdviceRequest,
    renewal_pb2.BeginRenewalRequest,
)
_RENEWING = (renewal_pb2.BeginRenewalRequest, renewal_pb2.OpenRenewalSessionRequest)
# Those of which no answer can be lost that anybody would need.
_VIEWING = (advice_pb2.BeginAdviceRequest, advice_pb2.OpenAdviceSessionRequest)

# The requests that need a session.
SessionRequest = (
    entry_pb2.CheckSessionRequest
    | change_pb2.GetRegisteredRequest
    | change_pb2.PrepareChangeRequest
    | change_pb2.SubmitChangeRequest
    | change_pb2.GetChangeReceiptRequest
    | advice_pb2.GetAdviceRequest
    | propagations_pb2.ListOwnPropagationsRequest
    | registration_pb2.FindBidderRequest
    | registration_pb2.AskForApprovalRequest
    | registration_pb2.PrepareRegistrationRequest
    | registration_pb2.RegisterRequest
    | registration_pb2.GetReceiptRequest
)


def read_card(message: card_pb2.Card) -> Card:
    """Returns a card of certificate-registry."""
    return Card(
        certificate_sha256=message.certificate_sha256,
        serial_decimal=message.serial_decimal,
        issuer=message.issuer,
        not_after=read_timestamp(message.not_after),
        company_name=message.company_name if message.HasField("company_name") else None,
        holder_name=message.holder_name if message.HasField("holder_name") else None,
        encoded=message.SerializeToString(),
    )


def write_card(card: Card) -> card_pb2.Card:
    """Returns a card as certificate-registry gave it."""
    return card_pb2.Card.FromString(card.encoded)


def read_presented_card(request: PresentingRequest) -> PresentedCard:
    """Returns the card that a request presents."""
    return PresentedCard(
        agency=request.agency,
        category=request.category,
        certificate=request.certificate,
        other_certificates=tuple(request.other_certificates) if isinstance(request, _BEGINNING) else (),
        resume_request_id="" if isinstance(request, _VIEWING) else request.resume_request_id,
        role=read_role(request.role) if isinstance(request, _RENEWING) else CardRole.SOLE,
    )


def read_signed_purpose(message: signed_purpose_pb2.SignedPurpose) -> SignedPurpose:
    """Returns a signed purpose as received."""
    return SignedPurpose(message.purpose, message.algorithm, message.signature)


def write_signed_purpose(signed: SignedPurpose) -> signed_purpose_pb2.SignedPurpose:
    """Returns a signed purpose as it was received; the algorithm may be one that the interface does not know."""
    return signed_purpose_pb2.SignedPurpose(
        purpose=signed.purpose,
        algorithm=signed_purpose_pb2.SignatureAlgorithm.ValueType(signed.algorithm),
        signature=signed.signature,
    )


def read_log_in_challenge(response: certificate_registry_pb2.CreateChallengeResponse) -> LogInChallenge:
    """Returns the log-in that a card has to sign."""
    return LogInChallenge(response.purpose, read_timestamp(response.expires_at), read_card(response.card))


def read_act_challenge(
    response: certificate_registry_pb2.CreateActChallengeResponse
    | certificate_registry_pb2.CreateChangeChallengeResponse
    | certificate_registry_pb2.CreateSuccessionChallengeResponse
    | certificate_registry_pb2.CreateRenewalChallengeResponse,
) -> ActChallenge:
    """Returns the act that a card has to sign."""
    return ActChallenge(response.purpose, read_timestamp(response.expires_at))


def read_opened_session(response: certificate_registry_pb2.OpenCardSessionResponse) -> OpenedSession:
    """Returns a session that was opened."""
    return OpenedSession(
        token=response.session_token,
        card=read_card(response.card),
        standing=_STANDINGS.get(response.standing),
        expires_at=read_timestamp(response.expires_at),
    )


def write_standing(standing: CardStanding | None) -> "card_pb2.CardStanding.ValueType":
    """Returns the interface's value of a card's standing."""
    return _STANDING_NUMBERS[standing] if standing is not None else card_pb2.CARD_STANDING_UNSPECIFIED


def read_role(value: "card_pb2.CardRole.ValueType") -> CardRole:
    """Returns the role of one of the two cards of a renewal; raises CARD_ROLE_INVALID."""
    role = _ROLES_BY_NUMBER.get(value, CardRole.SOLE)
    if role is CardRole.SOLE:
        raise Refusal("CARD_ROLE_INVALID", Code.INVALID_ARGUMENT)
    return role


def write_role(role: CardRole) -> "card_pb2.CardRole.ValueType":
    """Returns the interface's value of a card's role."""
    return _ROLES[role]


def read_session_reference(request: SessionRequest) -> SessionReference:
    """Returns the session that a request refers to."""
    return SessionReference(request.session_token, request.agency, request.category)


def read_card_session(response: certificate_registry_pb2.CheckCardSessionResponse) -> CardSession:
    """Returns a session that is good now."""
    return CardSession(
        card=read_card(response.card),
        opened_at=read_timestamp(response.opened_at),
        expires_at=read_timestamp(response.expires_at),
        state=read_card_state(response.card_state) if response.HasField("card_state") else None,
        role=_ROLES_BY_NUMBER[response.role],
        is_bidder_suspended=response.bidder_suspended,
    )
