"""Who gets a notice: which mailboxes, and which version of a contact."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contact_notification.domain.notice import (
    Addressee,
    BidderOwner,
    CardOwner,
    MailAddress,
    Notice,
    NoticeKind,
    RegistrationFacts,
    choose_mailboxes,
    choose_version,
    divide_notices,
    find_missing,
    name_act,
)
from contact_notification.domain.staging import Company, MissingContacts, StagedRegistration, StagedState

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CARD, OTHER_CARD = b"\x01" * 32, b"\x02" * 32
REQUEST = UUID(int=1)
COMPANY = Company("1000000001", "例", *(None,) * 12, ())
FACTS = RegistrationFacts(UUID(int=2), REQUEST, CARD, "4711", "city", "works", COMPANY.bidder_id, NOW, "")
NOTICE = Notice(UUID(int=3), NoticeKind.REGISTRATION_NOTICE, FACTS, ())


def staged(state: StagedState = StagedState.ACTIVE, agency: str = "city") -> StagedRegistration:
    return StagedRegistration(CARD, REQUEST, b"\x07" * 32, agency, "works", COMPANY, uuid4(), uuid4(), "", state, NOW)


def test_every_mailbox_gets_one_mail_and_the_card_contact_no_notice() -> None:
    own, same = Addressee(uuid4(), "koji@contractor.example"), Addressee(None, "koji@CONTRACTOR.example")
    desk, other = Addressee(uuid4(), "Koji@contractor.example"), Addressee(uuid4(), "other@contractor.example")
    addressees = [own, desk, same, other, other]
    assert choose_mailboxes(NoticeKind.REGISTRATION_NOTICE, own.mail_address, addressees) == [desk, other]
    assert choose_mailboxes(NoticeKind.REGISTRATION, own.mail_address, [own, same]) == [own]


@pytest.mark.parametrize(
    ("recipient", "act"),
    [
        (CardOwner(OTHER_CARD, "works", None), None),
        (CardOwner(OTHER_CARD, "works", REQUEST), (OTHER_CARD, REQUEST)),
        (BidderOwner("1000000001", "works", None), None),
        (BidderOwner("1000000001", "works", REQUEST), (CARD, REQUEST)),
        (MailAddress("a@b.example"), None),
    ],
)
def test_version_of_a_contact_is_named_by_the_act_that_brought_it(
    recipient: CardOwner | BidderOwner | MailAddress, act: tuple[bytes, UUID] | None
) -> None:
    assert name_act(recipient, NOTICE) == act


def test_version_of_a_contact_is_its_owners() -> None:
    active, pending = staged(), staged(StagedState.PENDING)
    assert choose_version(CardOwner(CARD, "works", REQUEST), active) == active.card_contact_id
    assert choose_version(BidderOwner("1000000001", "works", REQUEST), active) == active.representative_contact_id
    assert choose_version(CardOwner(CARD, "goods", REQUEST), active) is None
    assert choose_version(BidderOwner("1000000002", "works", REQUEST), active) is None
    assert choose_version(CardOwner(CARD, "works", REQUEST), pending) is None
    assert choose_version(CardOwner(CARD, "works", REQUEST), staged(StagedState.NOT_SIGNED)) is None
    assert choose_version(CardOwner(CARD, "works", REQUEST), None) is None


def test_notice_belongs_to_what_was_staged() -> None:
    assert find_missing(staged(), FACTS) is None
    assert find_missing(staged(StagedState.COMMITTED), FACTS) is None
    assert find_missing(None, FACTS) is MissingContacts.NOT_STAGED
    assert find_missing(staged(agency="town"), FACTS) is MissingContacts.NOT_SIGNED
    assert find_missing(staged(StagedState.NOT_SIGNED), FACTS) is MissingContacts.NOT_SIGNED


def test_notices_are_divided_by_their_recipients() -> None:
    address = MailAddress("a@b.example")
    notices = [dataclasses.replace(NOTICE, recipients=(address,) * count) for count in (2, 1, 1, 5, 1)]
    assert [[len(notice.recipients) for notice in part] for part in divide_notices(notices, 3)] == [
        [2, 1],
        [1],
        [5],
        [1],
    ]
    assert list(divide_notices([], 3)) == []
