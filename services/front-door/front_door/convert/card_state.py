"""What is known of a card in a category."""

from front_door.domain.card_state import AgencyRegistration, BindingState, CardState, RegistrationState
from toroku.certificate.v1 import card_pb2, card_state_pb2

_BINDINGS = {
    card_state_pb2.BINDING_STATE_LIVE: BindingState.LIVE,
    card_state_pb2.BINDING_STATE_RELEASED: BindingState.RELEASED,
    card_state_pb2.BINDING_STATE_CLOSED: BindingState.CLOSED,
}
_STATES = {
    card_state_pb2.REGISTRATION_STATE_GOOD: RegistrationState.GOOD,
    card_state_pb2.REGISTRATION_STATE_SUSPENDED: RegistrationState.SUSPENDED,
    card_state_pb2.REGISTRATION_STATE_REPLACED: RegistrationState.REPLACED,
    card_state_pb2.REGISTRATION_STATE_ENDED: RegistrationState.ENDED,
}


def read_card_state(message: card_state_pb2.CardState) -> CardState:
    """Returns the state of a card as certificate-registry gave it."""
    return CardState(
        bidder_id=message.bidder_id,
        binding=_BINDINGS[message.binding],
        is_suspended=message.suspended,
        registrations=tuple(
            AgencyRegistration(each.agency, _STATES[each.state], _encode(message, each))
            for each in message.registrations
        ),
    )


def write_registration(registration: AgencyRegistration) -> card_pb2.Registration:
    """Returns the registration at an agency as a message for contractors."""
    return card_pb2.Registration.FromString(registration.encoded)


def _encode(state: card_state_pb2.CardState, registration: card_state_pb2.AgencyRegistration) -> bytes:
    return card_pb2.Registration(
        registration_id=registration.registration_id,
        agency=registration.agency,
        category=state.category,
        certificate_sha256=state.certificate_sha256,
        bidder_id=state.bidder_id,
        registered_at=registration.registered_at,
        origin=registration.origin,
    ).SerializeToString()
