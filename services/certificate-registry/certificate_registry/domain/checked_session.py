"""What a check of a card session tells."""

from dataclasses import dataclass

from certificate_registry.domain.card_session import AuthenticatedSession
from certificate_registry.domain.card_state import CardState


@dataclass(frozen=True, slots=True)
class CheckedSession:
    """A session that is valid, and its card's state in the category.

    `is_bidder_suspended`: in the whole instance or at the agency. `state` is None where the card was never bound,
    and in a session of a registration, which is decided at its commit.
    """

    authenticated: AuthenticatedSession
    state: CardState | None = None
    is_bidder_suspended: bool = False
