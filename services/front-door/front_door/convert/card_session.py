"""Cards, challenges and sessions."""

from front_door.domain.card_session import (
    ActChallenge,
    Card,
    CardSession,
    CardStanding,
    LogInChallenge,
    OpenedSession,
    PresentedCard,
    SessionReference,
    SignedPurpose,
)
from servicekit.messages import read_timestamp
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.frontdoor.v1 import entry_pb2, registration_pb2

_STANDINGS = {
    card_pb2.CARD_STANDING_NEW: CardStanding.NEW,
    card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE: CardStanding.REGISTERED_ELSEWHERE,
    card_pb2.CARD_STANDING_REGISTERED_HERE: CardStanding.REGISTERED_HERE,
}
_STANDING_NUMBERS = {standing: number for number, standing in _STANDINGS.items()}

# The requests that need a session.
SessionRequest = (
    entry_pb2.CheckSessionRequest
    | registration_pb2.FindBidderRequest
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
        encoded=message.SerializeToString(),
    )


def write_card(card: Card) -> card_pb2.Card:
    """Returns a card as certificate-registry gave it."""
    return card_pb2.Card.FromString(card.encoded)


def read_presented_card(
    request: registration_pb2.BeginRegistrationRequest | registration_pb2.OpenSessionRequest,
) -> PresentedCard:
    """Returns the card that a request presents."""
    other = request.other_certificates if isinstance(request, registration_pb2.BeginRegistrationRequest) else ()
    return PresentedCard(
        agency=request.agency,
        category=request.category,
        certificate=request.certificate,
        other_certificates=tuple(other),
        resume_request_id=request.resume_request_id,
    )


def read_signed_purpose(message: card_pb2.SignedPurpose) -> SignedPurpose:
    """Returns a signed purpose as received."""
    return SignedPurpose(message.purpose, message.algorithm, message.signature)


def write_signed_purpose(signed: SignedPurpose) -> card_pb2.SignedPurpose:
    """Returns a signed purpose as it was received; the algorithm may be one that the interface does not know."""
    return card_pb2.SignedPurpose(
        purpose=signed.purpose,
        algorithm=card_pb2.SignatureAlgorithm.ValueType(signed.algorithm),
        signature=signed.signature,
    )


def read_log_in_challenge(response: certificate_registry_pb2.CreateChallengeResponse) -> LogInChallenge:
    """Returns the log-in that a card has to sign."""
    return LogInChallenge(response.purpose, read_timestamp(response.expires_at), read_card(response.card))


def read_act_challenge(response: certificate_registry_pb2.CreateActChallengeResponse) -> ActChallenge:
    """Returns the act that a card has to sign."""
    return ActChallenge(response.purpose, read_timestamp(response.expires_at))


def read_opened_session(response: certificate_registry_pb2.OpenCardSessionResponse) -> OpenedSession:
    """Returns a session that was opened."""
    return OpenedSession(
        token=response.session_token,
        card=read_card(response.card),
        standing=_STANDINGS[response.standing],
        expires_at=read_timestamp(response.expires_at),
    )


def write_standing(standing: CardStanding) -> "card_pb2.CardStanding.ValueType":
    """Returns the interface's value of a card's standing."""
    return _STANDING_NUMBERS[standing]


def read_session_reference(request: SessionRequest) -> SessionReference:
    """Returns the session that a request refers to."""
    return SessionReference(request.session_token, request.agency, request.category)


def read_card_session(response: certificate_registry_pb2.CheckCardSessionResponse) -> CardSession:
    """Returns a session that is good now."""
    return CardSession(
        read_card(response.card), read_timestamp(response.opened_at), read_timestamp(response.expires_at)
    )
