"""The rules of registration events: their contacts are those that the card signed."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contact_notification.domain.registration import Registration, RegistrationEvent, require_same_act
from contact_notification.domain.staging import Company, StagedRegistration, StagedState
from refusals import Refusal
from servicekit.versions import Version

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CARD = b"\x01" * 32


def event(**changes: object) -> RegistrationEvent:
    values = {
        "registration_id": uuid4(),
        "agency": "city",
        "category": "works",
        "certificate_sha256": CARD,
        "bidder_id": "1000000001",
        "registered_at": NOW,
        "by_propagation": False,
        "version": Version(1, 1),
    }
    registration = Registration(**(values | changes))  # type: ignore[arg-type]  # The values of the dict have several types.
    return RegistrationEvent(registration, UUID(int=1), b"\x07" * 32, "4711")


def staged(request_sha256: bytes = b"\x07" * 32) -> StagedRegistration:
    company = Company("1000000001", "例", None, None, None, None, None, None, None, None, ())
    return StagedRegistration(
        CARD, UUID(int=1), request_sha256, "city", "works", company, uuid4(), None, StagedState.PENDING, NOW
    )


def test_staged_contacts_belong_to_the_signed_act() -> None:
    contacts = staged()
    assert require_same_act(contacts, event()) is contacts


@pytest.mark.parametrize(
    ("contacts", "committed"),
    [
        (staged(b"\x08" * 32), event()),
        (staged(), event(agency="town")),
        (staged(), event(category="goods")),
        (staged(), event(bidder_id="1000000002")),
    ],
    ids=["hash", "agency", "category", "bidder"],
)
def test_event_of_another_act_is_refused(contacts: StagedRegistration, committed: RegistrationEvent) -> None:
    with pytest.raises(Refusal, match="CONTACTS_DIFFER_FROM_ACT"):
        require_same_act(contacts, committed)


def test_event_without_staged_contacts_is_refused() -> None:
    with pytest.raises(Refusal, match="CONTACTS_NOT_STAGED"):
        require_same_act(None, event())


@pytest.mark.parametrize(
    ("lower", "higher"),
    [(Version(1, 1), Version(1, 2)), (Version(1, 9), Version(2, 1)), (Version(1, 10), Version(1, 11))],
)
def test_versions_are_compared_by_epoch_then_by_number(lower: Version, higher: Version) -> None:
    assert lower < higher
