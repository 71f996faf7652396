"""What the portal has refused by itself, for the help desk to find: the front door notes what it refuses."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

from portal.domain.journey import HeldCard, Journey
from refusals import Refusal
from servicekit.incidents import Incident, IncidentLog, list_field_reasons, note_subject
from servicekit.telemetry import find_trace_id


@dataclass(frozen=True, slots=True)
class Incidents:
    """Notes refusals; never waited for."""

    log: IncidentLog
    clock: Callable[[], datetime]

    def note(self, refusal: Refusal, step: str, journey: Journey | None = None) -> None:
        """Notes a refusal at a step or on a page, unless it is the front door's, which notes its own."""
        if refusal.is_from_peer:
            return
        card = _find_card(journey) if journey is not None else None
        certificate_sha256 = sha256(card.certificate).digest() if card is not None else b""
        if card is not None and card.session_token:
            note_subject(certificate_sha256)
        self.log.note(
            Incident(
                incident_id=uuid4(),
                inquiry_number=find_trace_id() or "0" * 32,
                happened_at=self.clock(),
                operation=journey.operation.value if journey is not None else "portal",
                step=step,
                agency=journey.agency if journey is not None else "",
                category=journey.category if journey is not None else "",
                certificate_sha256=certificate_sha256,
                bidder_id="",
                reason=refusal.reason,
                metadata=refusal.metadata,
                fields=list_field_reasons(refusal),
            )
        )


def _find_card(journey: Journey) -> HeldCard | None:
    """Returns the card that was chosen last."""
    cards = tuple(journey.cards.values())
    return cards[-1] if cards else None
