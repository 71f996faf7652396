"""States of contacts' owners, as contact-notification plans changes with them, for agency-sync."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid4

from agency_sync.domain.contact_owner import ContactOwnerState, ContactPurpose, PlannedChange
from servicekit.versions import Version
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS


def owner_with_change(
    change_id: UUID,
    registration_id: UUID,
    agencies: Sequence[str],
    *,
    made_at: datetime,
    agency: str = PREFECTURE,
    purpose: ContactPurpose = ContactPurpose.CARD,
    epoch: int = 1,
) -> ContactOwnerState:
    """The state of an owner with one change, made by the card of a registration, that these agencies follow."""
    card = sha256(registration_id.bytes).digest()
    return ContactOwnerState(
        owner_id=uuid4(),
        purpose=purpose,
        category=WORKS,
        bidder_id=BIDDER,
        certificate_sha256=card if purpose is ContactPurpose.CARD else None,
        version=Version(epoch, 1),
        contact_version=2,
        pins=dict.fromkeys(agencies, 1),
        planned=[
            PlannedChange(
                change_id=change_id,
                certificate_sha256=card,
                agency=agency,
                agencies=frozenset(agencies),
                made_at=made_at,
            )
        ],
    )
