"""What officers do is told by mail: to all contacts of the bidder concerned, or to an address that was sent along."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from refusals import Refusal
from servicekit.messages import write_timestamp
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, WORKS
from tests.support.services.contact_messages import MORNING, card_owner, card_sha256, contact_form, staging_request
from tests.support.services.contact_notification import RunningContactNotification
from toroku.certificate.v1 import card_state_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.qualification.v1 import bidder_pb2

TO_CARD, TO_DESK, TO_SECOND = "card1@contractor.example", "desk@contractor.example", "card2@contractor.example"
OFFICER = contact_pb2.NoticeRecipient(mail_address="yamada@agency.example", name="山田　花子")
ASKED = contact_pb2.NoticeRecipient(mail_address="asked@contractor.example")
DIGEST, HEAD = b"\x0a" * 32, b"\x0b" * 32
SEALED = contact_pb2.ActEntry(
    registry="certificate-registry", digest=DIGEST, position=4711, head_number=12, head_sha256=HEAD
)
OF_CARD = ("CARD_SUSPENDED", "CARD_RESUMED", "BINDING_UNDONE")
OF_BIDDER = ("BIDDER_SUSPENDED", "BIDDER_RESUMED")


def all_of(bidder_id: str = BIDDER, category: str = WORKS) -> contact_pb2.NoticeRecipient:
    return contact_pb2.NoticeRecipient(bidder=contact_pb2.BidderContacts(bidder_id=bidder_id, category=category))


def act_notice(
    kind: str, *, agency: str = CITY, recipients: Sequence[contact_pb2.NoticeRecipient] = ()
) -> contact_pb2.Notice:
    """Returns a notice of what an officer did; without recipients, to all contacts of the bidder."""
    notice = contact_pb2.Notice(
        notice_id=str(uuid4()),
        kind=contact_pb2.NoticeKind.Value(f"NOTICE_KIND_{kind}"),
        recipients=recipients or [all_of()],
        entry=SEALED,
    )
    happened_at = write_timestamp(MORNING)
    if kind in OF_CARD:
        card = contact_pb2.CardFacts(certificate_sha256=card_sha256(1), serial_decimal="4711", holder_name="登録 太郎")
        notice.card.MergeFrom(card)
        notice.card.MergeFrom(
            contact_pb2.CardFacts(agency=agency, category=WORKS, bidder_id=BIDDER, happened_at=happened_at)
        )
    elif kind in OF_BIDDER:
        notice.bidder.MergeFrom(
            contact_pb2.BidderFacts(agency=agency, category=WORKS, bidder_id=BIDDER, happened_at=happened_at)
        )
    elif kind == "CARD_APPROVAL_DECIDED":
        notice.card_approval.MergeFrom(
            contact_pb2.CardApprovalFacts(
                number="A-12", agency=agency, category=WORKS, bidder_id=BIDDER, happened_at=happened_at
            )
        )
    else:
        notice.officer.MergeFrom(contact_pb2.OfficerFacts(agency=agency, person_id="yamada", valid_until=happened_at))
    return notice


async def register_two_cards(contacts: RunningContactNotification) -> None:
    """Registers two cards of the bidder, one of it in another category, and one of another bidder."""
    await contacts.register(staging_request(1))
    await contacts.register(staging_request(2, representative=False))
    await contacts.register(staging_request(3, category=GOODS, card_contact=contact_form("三", mail_address=TO_DESK)))
    other = bidder_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="別会社")
    await contacts.register(staging_request(4, company=other))
    await contacts.send_all()
    contacts.mailbox.mails.clear()


TEXTS = {
    "CARD_SUSPENDED": ("ICカードの利用停止のお知らせ", "例示市の担当者"),
    "CARD_RESUMED": ("ICカードの利用停止の解除のお知らせ", "停止は終了しました"),
    "BIDDER_SUSPENDED": ("電子入札の利用停止のお知らせ", "すべてのICカードをご利用いただけません"),
    "BIDDER_RESUMED": ("電子入札の利用停止の解除のお知らせ", "停止は終了しました"),
    "BINDING_UNDONE": ("利用者登録の取消しのお知らせ", "至急、下記までご連絡ください"),
}


@pytest.mark.parametrize("kind", TEXTS)
async def test_all_contacts_of_the_bidder_are_told_what_where_and_whom_to_ask(
    contacts: RunningContactNotification, kind: str
) -> None:
    await register_two_cards(contacts)
    city = next(agency.name.ja for agency in contacts.profile.agencies if agency.code == CITY)
    await contacts.notify(act_notice(kind))
    await contacts.send_all()
    assert sorted(to for mail in contacts.mailbox.mails for to in mail.recipients) == [TO_CARD, TO_SECOND, TO_DESK]
    subject, words = TEXTS[kind]
    for mail in contacts.mailbox.mails:
        assert mail.message["Subject"] == subject
        assert words.replace("例示市", city) in mail.body
        for line in (
            f"調達機関 : {city}",
            f"{contacts.profile.bidder_id.label.ja} : {BIDDER}",
            "日時 : 2026/11/27 10:00",
            "記録番号 : 4711（certificate-registry）",
            f"記録の指紋 : {DIGEST.hex()}",
            f"封印 : 12（{HEAD.hex()}）",
            f"{contacts.profile.help_desk.name.ja}（{contacts.profile.help_desk.hours.ja}）",
            f"電話 : {contacts.profile.help_desk.telephone}",
        ):
            assert line in mail.body, line
        assert ("証明書シリアル番号 : 4711" in mail.body) == (kind in OF_CARD)


async def test_operators_act_is_one_for_all_agencies_and_the_help_desk_is_asked(
    contacts: RunningContactNotification,
) -> None:
    await register_two_cards(contacts)
    await contacts.notify(act_notice("BIDDER_SUSPENDED", agency="operator"))
    await contacts.send_all()
    for mail in contacts.mailbox.mails:
        assert "調達機関 : すべての調達機関" in mail.body
        assert f"停止の理由や解除については、{contacts.profile.help_desk.name.ja}に" in mail.body


async def test_ended_card_is_not_among_the_bidders_contacts_and_is_told_where_it_is_named(
    contacts: RunningContactNotification,
) -> None:
    await register_two_cards(contacts)
    state = contacts.states[card_sha256(1), WORKS]
    state.binding = card_state_pb2.BINDING_STATE_RELEASED
    state.registrations[0].state = card_state_pb2.REGISTRATION_STATE_ENDED
    state.version.number += 1
    await contacts.record(state)
    await contacts.notify(act_notice("BIDDER_SUSPENDED"))
    await contacts.send_all()
    assert contacts.mailbox.to(TO_CARD) == []
    await contacts.notify(act_notice("BINDING_UNDONE", recipients=[all_of(), card_owner(1)]))
    await contacts.send_all()
    assert len(contacts.mailbox.to(TO_CARD)) == 1
    assert len(contacts.mailbox.to(TO_DESK)) == 2


@pytest.mark.parametrize("is_approved", [True, False])
async def test_who_asked_for_an_approval_gets_the_answer_with_the_number(
    contacts: RunningContactNotification, is_approved: bool
) -> None:
    notice = act_notice("CARD_APPROVAL_DECIDED", recipients=[ASKED])
    notice.card_approval.is_approved = is_approved
    notice.entry.CopyFrom(contact_pb2.ActEntry(registry="qualification-registry", digest=DIGEST))
    await contacts.from_qualification_registry.SendNotices(
        contact_notification_pb2.SendNoticesRequest(notices=[notice])
    )
    await contacts.send_all()
    (mail,) = contacts.mailbox.to(ASKED.mail_address)
    assert "確認番号 : A-12" in mail.body
    assert "記録番号 : ―" in mail.body, "it is not sealed yet"
    assert f"記録の指紋 : {DIGEST.hex()}" in mail.body
    assert ("ICカードの読み取りからやり直し" in mail.body) == is_approved
    assert ("このICカードでは利用者登録もICカード更新もできません" in mail.body) == (not is_approved)
    assert await contacts.rows("SELECT state, mail_address FROM mails") == [("sent", "")]


async def test_officer_is_told_by_name_that_its_certificate_expires(contacts: RunningContactNotification) -> None:
    await contacts.notify(act_notice("OFFICER_CERTIFICATE_EXPIRING", recipients=[OFFICER]))
    assert await contacts.rows("SELECT recipient_name FROM mails") == [("山田　花子",)]
    await contacts.send_all()
    (mail,) = contacts.mailbox.mails
    assert mail.body.startswith("山田　花子 様\n")
    assert "職員ID : yamada\n有効期限 : 2026/11/27 10:00\n" in mail.body
    assert await contacts.rows("SELECT mail_address, recipient_name FROM mails") == [("", "")]


async def test_repeated_notice_may_have_an_entry_that_was_sealed_meanwhile(
    contacts: RunningContactNotification,
) -> None:
    await register_two_cards(contacts)
    notice = act_notice("CARD_SUSPENDED")
    for field in ("position", "head_number", "head_sha256"):
        notice.entry.ClearField(field)
    await contacts.notify(notice)
    notice.entry.CopyFrom(SEALED)
    await contacts.notify(notice)
    assert await contacts.rows("SELECT count(*) FROM mails WHERE state = 'written'") == [(3,)]
    notice.card.agency = PREFECTURE
    with pytest.raises(Refusal, match="NOTICE_INVALID"):
        await contacts.notify(notice)


@pytest.mark.parametrize(
    ("kind", "part", "field", "value"),
    [
        ("CARD_SUSPENDED", "card", "certificate_sha256", b"short"),
        ("CARD_SUSPENDED", "card", "serial_decimal", ""),
        ("BIDDER_RESUMED", "bidder", "bidder_id", ""),
        ("CARD_APPROVAL_DECIDED", "card_approval", "number", "\x00"),
        ("OFFICER_CERTIFICATE_EXPIRING", "officer", "person_id", ""),
    ],
)
async def test_malformed_facts_are_refused_with_their_part(
    contacts: RunningContactNotification, kind: str, part: str, field: str, value: object
) -> None:
    notice = act_notice(kind)
    setattr(getattr(notice, part), field, value)
    with pytest.raises(Refusal, match="NOTICE_INVALID") as caught:
        await contacts.notify(notice)
    assert caught.value.metadata == {"part": f"{part}.{field}"}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"kind": contact_pb2.NOTICE_KIND_BIDDER_SUSPENDED}, "bidder"),
        ({"kind": contact_pb2.NOTICE_KIND_REGISTRATION}, "registration"),
        ({"kind": 99}, "kind"),
        ({"entry": contact_pb2.ActEntry(registry="", digest=DIGEST)}, "entry.registry"),
        ({"entry": contact_pb2.ActEntry(registry="a", digest=b"short")}, "entry.digest"),
        ({"entry": contact_pb2.ActEntry(registry="a", digest=DIGEST, position=-1)}, "entry.position"),
        ({"entry": contact_pb2.ActEntry(registry="a", digest=DIGEST, position=1)}, "entry.position"),
        (
            {"entry": contact_pb2.ActEntry(registry="a", digest=DIGEST, position=1, head_number=1)},
            "entry.head_sha256",
        ),
        ({"recipients": [all_of("")]}, "recipients"),
        ({"recipients": [all_of(category="\x00")]}, "recipients"),
        ({"recipients": [contact_pb2.NoticeRecipient(mail_address="a@b.example", name="\x00")]}, "recipients"),
    ],
)
async def test_malformed_notice_is_refused_with_its_part(
    contacts: RunningContactNotification, changes: dict[str, object], part: str
) -> None:
    notice = act_notice("CARD_SUSPENDED")
    for name, value in changes.items():
        if name == "kind":
            notice.kind = value  # type: ignore[assignment]  # also one that is none
        elif name == "entry":
            notice.entry.CopyFrom(value)  # type: ignore[arg-type]  # an entry
        else:
            del notice.recipients[:]
            notice.recipients.extend(value)  # type: ignore[arg-type]  # recipients
    with pytest.raises(Refusal, match="NOTICE_INVALID") as caught:
        await contacts.notify(notice)
    assert caught.value.metadata == {"part": part}
