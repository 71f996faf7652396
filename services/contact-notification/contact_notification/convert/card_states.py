"""The states of cards, and the outcomes of their requests."""

import logging
from collections.abc import Sequence
from uuid import UUID

from contact_notification.convert.texts import find_instant, is_text
from contact_notification.domain.card_state import (
    CardState,
    Outcome,
    OutcomeState,
    Registration,
    RegistrationState,
    Takeover,
)
from refusals import Code, Refusal
from servicekit.messages import SHA256_BYTES, find_uuid
from servicekit.versions import Version
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2
from toroku.contact.v1 import contact_notification_pb2

log = logging.getLogger(__name__)

# The most that one call may hold.
MOST_CARD_STATES = 500

_REGISTRATION_STATES = {
    card_state_pb2.REGISTRATION_STATE_GOOD: RegistrationState.GOOD,
    card_state_pb2.REGISTRATION_STATE_SUSPENDED: RegistrationState.SUSPENDED,
    card_state_pb2.REGISTRATION_STATE_REPLACED: RegistrationState.REPLACED,
    card_state_pb2.REGISTRATION_STATE_ENDED: RegistrationState.ENDED,
}

_OUTCOMES = {
    certificate_registry_pb2.GetOutcomeResponse.OUTCOME_NONE: OutcomeState.NONE,
    certificate_registry_pb2.GetOutcomeResponse.OUTCOME_REGISTERED: OutcomeState.REGISTERED,
    certificate_registry_pb2.GetOutcomeResponse.OUTCOME_ABANDONED: OutcomeState.ABANDONED,
}


def read_card_states(
    request: contact_notification_pb2.RecordCardStatesRequest,
) -> tuple[Sequence[CardState], Sequence[Refusal]]:
    """Returns the states of cards, and a refusal (CARD_STATE_INVALID) for each that can't be read.

    Raises INPUT_TOO_MANY.
    """
    if len(request.card_states) > MOST_CARD_STATES:
        raise Refusal("INPUT_TOO_MANY", Code.INVALID_ARGUMENT, {"most": str(MOST_CARD_STATES)})
    states: list[CardState] = []
    unreadable: list[Refusal] = []
    for message in request.card_states:
        try:
            states.append(read_card_state(message))
        except Refusal as refusal:
            unreadable.append(refusal)
    return states, unreadable


def read_card_state(message: card_state_pb2.CardState) -> CardState:
    """Returns the state of a card; raises CARD_STATE_INVALID.

    A list may hold tens of thousands of registrations: of those that propagation made, only agency and state are read.
    """
    card = message.certificate_sha256
    if len(card) != SHA256_BYTES:
        raise _refuse_card_state(card, "certificate_sha256")
    for part in ("category", "bidder_id"):
        if not is_text(getattr(message, part)):
            raise _refuse_card_state(card, part)
    if not message.HasField("version"):
        raise _refuse_card_state(card, "version")
    if message.binding == card_state_pb2.BINDING_STATE_UNSPECIFIED:
        raise _refuse_card_state(card, "binding")
    states: dict[str, RegistrationState] = {}
    for registration in message.registrations:
        if not is_text(registration.agency):
            raise _refuse_card_state(card, "registrations.agency")
        states[registration.agency] = _REGISTRATION_STATES.get(registration.state, RegistrationState.UNSPECIFIED)
    return CardState(
        certificate_sha256=card,
        category=message.category,
        version=Version(message.version.epoch, message.version.number),
        bidder_id=message.bidder_id,
        is_live=message.binding == card_state_pb2.BINDING_STATE_LIVE,
        states=states,
        registrations=tuple(
            _read_registration(message, registration)
            for registration in message.registrations
            if registration.origin == card_pb2.REGISTRATION_ORIGIN_CONTRACTOR
        ),
        takeovers=tuple(
            _read_takeover(message, registration)
            for registration in message.registrations
            if registration.origin == card_pb2.REGISTRATION_ORIGIN_RENEWAL and registration.predecessor
        ),
    )


def write_outcome_request(
    certificate_sha256: bytes, request_id: UUID, *, abandon: bool
) -> certificate_registry_pb2.GetOutcomeRequest:
    """Returns the request for the outcome of a card's request."""
    return certificate_registry_pb2.GetOutcomeRequest(
        certificate_sha256=certificate_sha256, request_id=str(request_id), abandon=abandon
    )


def read_outcome(response: certificate_registry_pb2.GetOutcomeResponse) -> Outcome:
    """Returns the outcome of a request; one that this version does not know becomes UNSPECIFIED."""
    state = None
    if response.HasField("card_state"):
        try:
            state = read_card_state(response.card_state)
        except Refusal as refusal:
            log.error("the state in an outcome can't be read; report it to the developers: %s", refusal)
    return Outcome(_OUTCOMES.get(response.outcome, OutcomeState.UNSPECIFIED), state)


def _read_registration(state: card_state_pb2.CardState, message: card_state_pb2.AgencyRegistration) -> Registration:
    registration_id, request_id = find_uuid(message.registration_id), find_uuid(message.request_id)
    registered_at = find_instant(message, "registered_at")
    if registration_id is None:
        raise _refuse_card_state(state.certificate_sha256, "registrations.registration_id")
    if request_id is None:
        raise _refuse_card_state(state.certificate_sha256, "registrations.request_id")
    if registered_at is None:
        raise _refuse_card_state(state.certificate_sha256, "registrations.registered_at")
    return Registration(
        registration_id=registration_id,
        agency=message.agency,
        category=state.category,
        certificate_sha256=state.certificate_sha256,
        bidder_id=state.bidder_id,
        registered_at=registered_at,
        request_id=request_id,
        request_sha256=message.request_sha256,
    )


def _read_takeover(state: card_state_pb2.CardState, message: card_state_pb2.AgencyRegistration) -> Takeover:
    request_id, renewed_at = find_uuid(message.request_id), find_instant(message, "registered_at")
    if len(message.predecessor) != SHA256_BYTES:
        raise _refuse_card_state(state.certificate_sha256, "registrations.predecessor")
    if request_id is None:
        raise _refuse_card_state(state.certificate_sha256, "registrations.request_id")
    if renewed_at is None:
        raise _refuse_card_state(state.certificate_sha256, "registrations.registered_at")
    return Takeover(
        certificate_sha256=state.certificate_sha256,
        predecessor=message.predecessor,
        agency=message.agency,
        category=state.category,
        bidder_id=state.bidder_id,
        renewed_at=renewed_at,
        request_id=request_id,
    )


def _refuse_card_state(certificate_sha256: bytes, part: str) -> Refusal:
    metadata = {"certificate_sha256": certificate_sha256[:SHA256_BYTES].hex(), "part": part}
    return Refusal("CARD_STATE_INVALID", Code.INVALID_ARGUMENT, metadata)
