"""The rules of contacts: when the representative contact is asked, what may be given up, who gets a mail."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from contact_notification.domain import (
    Company,
    MailKind,
    Registration,
    RegistrationEvent,
    Reservation,
    Staged,
    StagedState,
    Version,
    check_representative_contact,
    check_same_act,
    expires_at,
    recipients,
    reserves_representative_contact,
)
from instance_profile.model import RepresentativeContact
from refusals import Refusal

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CARD, OTHER_CARD = b"\x01" * 32, b"\x02" * 32
FIRST, SHOWN, ALWAYS = (
    RepresentativeContact.FIRST_REGISTRATION,
    RepresentativeContact.SHOWN,
    RepresentativeContact.ALWAYS,
)
REQUIRED = "REPRESENTATIVE_CONTACT_REQUIRED"


@pytest.mark.requirement("REG-03")
@pytest.mark.parametrize(
    ("rule", "given", "stands", "wrong"),
    [
        (FIRST, True, False, []),
        (FIRST, False, False, [REQUIRED]),
        (FIRST, False, True, []),
        (SHOWN, False, False, []),
        (SHOWN, False, True, []),
        (SHOWN, True, False, ["REPRESENTATIVE_CONTACT_NOT_ASKED"]),
        (ALWAYS, True, False, []),
        (ALWAYS, True, True, []),
        (ALWAYS, False, True, [REQUIRED]),
        (ALWAYS, False, False, [REQUIRED]),
    ],
)
def test_the_profile_says_when_the_representative_contact_is_asked(
    rule: RepresentativeContact, given: bool, stands: bool, wrong: list[str]
) -> None:
    violations = check_representative_contact(rule, given=given, stands=stands)
    assert [violation.reason for violation in violations] == wrong
    assert {violation.field for violation in violations} <= {"representative_contact"}


@pytest.mark.requirement("REG-03")
@pytest.mark.parametrize("rule", [FIRST, SHOWN])
def test_the_one_that_stands_is_not_given_again(rule: RepresentativeContact) -> None:
    with pytest.raises(Refusal, match="REPRESENTATIVE_CONTACT_GIVEN_ALREADY"):
        check_representative_contact(rule, given=True, stands=True)


@pytest.mark.parametrize(
    ("rule", "given", "reserves"),
    [(FIRST, True, True), (FIRST, False, False), (SHOWN, True, False), (ALWAYS, True, False)],
)
def test_only_a_first_one_reserves_its_place(rule: RepresentativeContact, given: bool, reserves: bool) -> None:
    assert reserves_representative_contact(rule, given=given) is reserves


@pytest.mark.parametrize(
    ("card", "age", "may_be"),
    [
        (CARD, timedelta(0), True),
        (OTHER_CARD, timedelta(minutes=60), False),
        (OTHER_CARD, timedelta(minutes=65) - timedelta(microseconds=1), False),
        (OTHER_CARD, timedelta(minutes=65), True),
    ],
)
def test_a_reservation_is_given_up_for_the_same_card_or_when_it_is_too_old(
    card: bytes, age: timedelta, may_be: bool
) -> None:
    held = Reservation(CARD, uuid4(), StagedState.PENDING, NOW - age)
    assert held.may_be_given_up(card, NOW) is may_be


def test_a_pending_registration_outlives_the_longest_session() -> None:
    assert expires_at(NOW) > NOW + timedelta(minutes=60)


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
    registration = Registration(**(values | changes))  # type: ignore[arg-type]
    return RegistrationEvent(registration, UUID(int=1), b"\x07" * 32, "4711")


def staged(request_sha256: bytes = b"\x07" * 32) -> Staged:
    company = Company("1000000001", "例", None, None, None, None, None, None, None, None, ())
    return Staged(CARD, UUID(int=1), request_sha256, "city", "works", company, uuid4(), None, StagedState.PENDING, NOW)


def test_what_was_staged_is_what_the_card_signed() -> None:
    kept = staged()
    assert check_same_act(kept, event()) is kept


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (staged(b"\x08" * 32), event()),
        (staged(), event(agency="town")),
        (staged(), event(category="goods")),
        (staged(), event(bidder_id="1000000002")),
    ],
    ids=["hash", "agency", "category", "bidder"],
)
def test_anything_else_is_refused(kept: Staged, told: RegistrationEvent) -> None:
    with pytest.raises(Refusal, match="CONTACTS_DIFFER_FROM_ACT"):
        check_same_act(kept, told)


def test_contacts_that_are_missing_are_refused() -> None:
    with pytest.raises(Refusal, match="CONTACTS_NOT_STAGED"):
        check_same_act(None, event())


@pytest.mark.parametrize(
    ("lower", "higher"),
    [(Version(1, 1), Version(1, 2)), (Version(1, 9), Version(2, 1)), (Version(1, 10), Version(1, 11))],
)
def test_versions_are_compared_by_epoch_then_by_number(lower: Version, higher: Version) -> None:
    assert lower < higher


@pytest.mark.requirement("REG-07")
@pytest.mark.requirement("REG-10")
def test_every_mailbox_gets_one_mail_and_the_card_contact_its_own() -> None:
    card, desk, same, other = (uuid4() for _ in range(4))
    addresses = {
        card: "koji@contractor.example",
        desk: "Koji@contractor.example",
        same: "koji@CONTRACTOR.example",
        other: "other@contractor.example",
    }
    assert recipients(card, [desk, same, other, other], addresses) == {
        card: MailKind.REGISTRATION,
        desk: MailKind.REGISTRATION_NOTICE,
        other: MailKind.REGISTRATION_NOTICE,
    }
