"""The card sessions of every operation: the log-in, the session, and the opening hours that bound both (ENT-05)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from front_door.adapters import SecondsLeft
from front_door.adapters.certificate_registry import CertificateRegistry
from front_door.domain.card_session import (
    CardSession,
    CardUse,
    LogInChallenge,
    OpenedSession,
    PresentedCard,
    SessionReference,
    SignedPurpose,
)
from instance_profile.hours import check_open
from instance_profile.model import Operation, Profile
from instance_profile.offers import Offer, require_offer, require_operation
from refusals import Code, Refusal
from servicekit.messages import check_request_id
from servicekit.token_buckets import TokenBuckets


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSessions:
    """Opens and ends card sessions. `log_ins` counts them by certificate."""

    profile: Profile
    clock: Callable[[], datetime]
    certificate_registry: CertificateRegistry
    log_ins: TokenBuckets

    async def begin(self, use: CardUse, presented: PresentedCard, seconds_left: SecondsLeft) -> LogInChallenge:
        """Returns the log-in that a card has to sign.

        Raises what `require_offer` raises, OUTSIDE_OPENING_HOURS, REQUEST_ID_INVALID, TOO_MANY_CALLS with
        `retry_after_seconds` for a certificate that comes too often, and the registry's.
        """
        self._require_may_begin(use, presented)
        seconds = self.log_ins.take(sha256(presented.certificate).digest())
        if seconds:
            raise Refusal("TOO_MANY_CALLS", Code.RESOURCE_EXHAUSTED, {"retry_after_seconds": str(seconds)})
        return await self.certificate_registry.create_challenge(use, presented, seconds_left)

    async def open(
        self, use: CardUse, presented: PresentedCard, log_in: SignedPurpose, seconds_left: SecondsLeft
    ) -> OpenedSession:
        """Opens a session with the signed log-in. Raises as `begin`, and the registry's refusals."""
        self._require_may_begin(use, presented)
        return await self.certificate_registry.open_session(use, presented, log_in, seconds_left)

    async def check(self, use: CardUse, reference: SessionReference, seconds_left: SecondsLeft) -> CardSession:
        """Returns a session that is good now, and keeps it from ending for want of use (ENT-07).

        Raises what `require_offer` raises, and the registry's.
        """
        self.require_offer(use, reference.agency, reference.category)
        return await self.certificate_registry.check_session(use, reference, seconds_left)

    def require_offer(self, use: CardUse, agency: str, category: str) -> Offer:
        """Returns the agency and the category with these codes, where the card may be used so.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED; OPERATION_NOT_OFFERED for an operation of the
        menu.
        """
        if use is CardUse.VIEW:
            return require_offer(self.profile, agency, category)
        return require_operation(self.profile, agency, category, Operation(use))

    def require_within_hours(self, session: CardSession) -> None:
        """Returns while an operation may go on: within the hours in which its session was opened, and their grace.

        Raises OUTSIDE_OPENING_HOURS.
        """
        check_open(self.profile.opening_hours, self.clock(), began_at=session.opened_at)

    async def end(self, token: str, seconds_left: SecondsLeft) -> None:
        """Ends a session; an unknown token is no error."""
        await self.certificate_registry.end_session(token, seconds_left)

    def _require_may_begin(self, use: CardUse, presented: PresentedCard) -> None:
        self.require_offer(use, presented.agency, presented.category)
        # The receipt of a lost answer can be read at any hour. A session that is opened for it outside the opening
        # hours commits nothing, because its own hours count from when it was opened.
        if presented.resume_request_id:
            check_request_id(presented.resume_request_id)
        elif use is not CardUse.VIEW:
            check_open(self.profile.opening_hours, self.clock())
