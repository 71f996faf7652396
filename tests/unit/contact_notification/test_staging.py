"""The rules of staging: how long contacts are staged, and who may abandon them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from contact_notification.domain.staging import Reservation, StagedState, compute_expiry

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CARD, OTHER_CARD = b"\x01" * 32, b"\x02" * 32


@pytest.mark.parametrize(
    ("card", "age", "may_be"),
    [
        (CARD, timedelta(0), True),
        (OTHER_CARD, timedelta(minutes=60), False),
        (OTHER_CARD, timedelta(minutes=65) - timedelta(microseconds=1), False),
        (OTHER_CARD, timedelta(minutes=65), True),
    ],
)
def test_reservation_may_be_abandoned_for_the_same_card_or_when_it_expires(
    card: bytes, age: timedelta, may_be: bool
) -> None:
    reservation = Reservation(CARD, uuid4(), StagedState.PENDING, NOW - age)
    assert reservation.may_be_abandoned(card, NOW) is may_be


def test_pending_registration_outlives_the_longest_session() -> None:
    assert compute_expiry(NOW) > NOW + timedelta(minutes=60)
