"""Mails of renewals, of renewals that were taken back, and of links to an expired card (REN-01)."""

from uuid import uuid4

import pytest

from refusals import Refusal
from servicekit.messages import write_timestamp
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.services.contact_change import after, list_mailed, register_at, renewed_state
from tests.support.services.contact_messages import card_owner, card_sha256, card_state, staging_request
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_pb2

ALL_OF_BIDDER = contact_pb2.NoticeRecipient(bidder=contact_pb2.BidderContacts(bidder_id=BIDDER, category=WORKS))


def renewal_notice(
    kind: contact_pb2.NoticeKind.ValueType, *recipients: contact_pb2.NoticeRecipient, request_id: str = ""
) -> contact_pb2.Notice:
    """Returns the notice of a renewal of card 1 by card 2."""
    return contact_pb2.Notice(
        notice_id=str(uuid4()),
        kind=kind,
        recipients=recipients,
        renewal=contact_pb2.RenewalFacts(
            registration_id=str(uuid4()),
            request_id=request_id or str(uuid4()),
            certificate_sha256=card_sha256(2),
            old_certificate_sha256=card_sha256(1),
            serial_decimal="4712",
            old_serial_decimal="4711",
            agency=PREFECTURE,
            category=WORKS,
            bidder_id=BIDDER,
            happened_at=write_timestamp(after(60)),
            holder_name="登録 太郎",
            propagate=True,
        ),
        entry=contact_pb2.ActEntry(
            registry="certificate-registry", digest=b"d" * 32, position=7, head_number=3, head_sha256=b"h" * 32
        ),
    )


async def register_others(contacts: RunningContactNotification) -> None:
    """Registers the old card, and another one of the bidder."""
    await register_at(contacts)
    await register_at(contacts, 3, representative=False)


@pytest.mark.requirement("REN-01")
@pytest.mark.parametrize("comes_first", ["state", "notices"])
async def test_new_card_gets_the_mail_and_the_bidders_other_contacts_the_notice(
    contacts: RunningContactNotification, comes_first: str
) -> None:
    await register_others(contacts)
    notices = (
        renewal_notice(contact_pb2.NOTICE_KIND_RENEWAL, card_owner(2)),
        renewal_notice(contact_pb2.NOTICE_KIND_RENEWAL_NOTICE, ALL_OF_BIDDER),
    )
    if comes_first == "state":
        await contacts.record(renewed_state())
        await contacts.notify_together(*notices)
    else:
        await contacts.notify_together(*notices)
        await contacts.record(renewed_state())
    assert await list_mailed(contacts, "renewal") == ["card1@contractor.example"]
    assert await list_mailed(contacts, "renewal_notice") == ["card3@contractor.example", "desk@contractor.example"]
    await contacts.send_all()
    bodies = {mail.message["Subject"]: mail.body for mail in contacts.mailbox.mails}
    for subject in ("ICカード更新のお知らせ", "ICカード更新のお知らせ（ICカード更新の確認）"):
        for line in (
            "新しいICカードの証明書シリアル番号 : 4712",
            "以前のICカードの証明書シリアル番号 : 4711",
            "新しいICカードの名義人 : 登録 太郎",
            "更新日時 : 2026/11/27 11:00",
            "記録番号 : 7（certificate-registry）",
            f"記録の指紋 : {(b'd' * 32).hex()}",
            f"封印 : 3（{(b'h' * 32).hex()}）",
        ):
            assert line in bodies[subject], line


@pytest.mark.requirement("REN-01")
async def test_mail_to_the_new_card_waits_until_it_has_a_contact(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    await contacts.notify_together(renewal_notice(contact_pb2.NOTICE_KIND_RENEWAL, card_owner(2)))
    assert await contacts.rows("SELECT state FROM notices") == [("waiting",)]
    old = card_state(request)
    contacts.commit(old)
    await contacts.record(old, renewed_state())
    assert await list_mailed(contacts, "renewal") == ["card1@contractor.example"]
    assert await contacts.rows("SELECT DISTINCT state, recipients FROM notices") == [("written", [])]


async def test_repeated_notice_of_a_renewal_does_nothing(contacts: RunningContactNotification) -> None:
    await register_others(contacts)
    notice = renewal_notice(contact_pb2.NOTICE_KIND_RENEWAL, card_owner(2))
    await contacts.notify(notice, notice)
    await contacts.record(renewed_state())
    await contacts.notify(notice)
    assert await list_mailed(contacts, "renewal") == ["card1@contractor.example"]
    notice.renewal.old_serial_decimal = "1"
    with pytest.raises(Refusal, match="NOTICE_INVALID"):
        await contacts.notify(notice)


async def test_all_contacts_are_told_that_a_renewal_was_taken_back(contacts: RunningContactNotification) -> None:
    await register_others(contacts)
    await contacts.notify(renewal_notice(contact_pb2.NOTICE_KIND_REGISTRATION_REOPENED, ALL_OF_BIDDER))
    assert await list_mailed(contacts, "registration_reopened") == [
        "card1@contractor.example",
        "card3@contractor.example",
        "desk@contractor.example",
    ]
    await contacts.send_all()
    body = next(
        mail.body for mail in contacts.mailbox.mails if mail.message["Subject"] == "ICカード更新の取消しのお知らせ"
    )
    assert "更新前のICカードを、再びご利用いただけます。" in body
    assert "取消しの理由については、例示県の担当者にお問い合わせください。" in body


async def test_all_contacts_are_told_of_a_link_to_an_expired_card(contacts: RunningContactNotification) -> None:
    await register_others(contacts)
    notice = renewal_notice(contact_pb2.NOTICE_KIND_PREDECESSOR_LINKED, ALL_OF_BIDDER)
    facts = notice.renewal
    notice.card.CopyFrom(
        contact_pb2.CardFacts(
            certificate_sha256=facts.certificate_sha256,
            serial_decimal=facts.serial_decimal,
            agency=facts.agency,
            category=facts.category,
            bidder_id=facts.bidder_id,
            happened_at=facts.happened_at,
        )
    )
    await contacts.notify(notice)
    assert len(await list_mailed(contacts, "predecessor_linked")) == 3
    await contacts.send_all()
    body = next(
        mail.body
        for mail in contacts.mailbox.mails
        if mail.message["Subject"] == "以前のICカードとの関連付けのお知らせ"
    )
    assert "証明書シリアル番号 : 4712" in body


@pytest.mark.parametrize(
    ("kind", "changes", "part"),
    [
        (contact_pb2.NOTICE_KIND_CHANGE, {}, "kind"),
        (contact_pb2.NOTICE_KIND_RENEWAL, {"old_certificate_sha256": b"x"}, "renewal.old_certificate_sha256"),
        (contact_pb2.NOTICE_KIND_RENEWAL, {"old_serial_decimal": "x"}, "renewal.old_serial_decimal"),
        (contact_pb2.NOTICE_KIND_RENEWAL_NOTICE, {"request_id": "x"}, "renewal.request_id"),
        (contact_pb2.NOTICE_KIND_PREDECESSOR_LINKED, {}, "card"),
    ],
)
async def test_notice_that_is_not_of_its_kind_is_refused(
    contacts: RunningContactNotification,
    kind: contact_pb2.NoticeKind.ValueType,
    changes: dict[str, str | bytes],
    part: str,
) -> None:
    notice = renewal_notice(kind, ALL_OF_BIDDER)
    for name, value in changes.items():
        setattr(notice.renewal, name, value)
    with pytest.raises(Refusal, match="NOTICE_INVALID") as caught:
        await contacts.notify(notice)
    assert caught.value.metadata["part"] == part
