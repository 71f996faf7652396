"""Mails of a change go to the card's contact, and to the old and the new mailbox of what changed (CHG-01)."""

from datetime import timedelta

import pytest

from servicekit.jobs import Later
from tests.support.history import seal_all
from tests.support.services.contact_change import Change, list_mailed, register_at
from tests.support.services.contact_notification import RunningContactNotification

NEW = "new@contractor.example"


async def commit(contacts: RunningContactNotification, **typed: dict[str, str]) -> Change:
    await register_at(contacts)
    change = Change(contacts=contacts)
    await change.type_over(**typed)
    await change.commit()
    return change


@pytest.mark.requirement("CHG-01")
@pytest.mark.parametrize(
    ("typed", "mailed"),
    [
        ({"card": {"telephone": "048-111-1111"}}, ["card1@contractor.example"]),
        ({"representative": {"telephone": "048-111-1111"}}, ["card1@contractor.example"]),
        ({"card": {"mail_address": NEW}}, ["card1@contractor.example", NEW]),
        (
            {"representative": {"mail_address": NEW}},
            ["card1@contractor.example", "desk@contractor.example", NEW],
        ),
        # Once per mailbox: both contacts have the new one.
        (
            {"card": {"mail_address": NEW}, "representative": {"mail_address": NEW}},
            ["card1@contractor.example", "desk@contractor.example", NEW],
        ),
        ({"card": {"mail_address": "card1@CONTRACTOR.example"}}, ["card1@CONTRACTOR.example"]),
    ],
)
async def test_mails_go_to_the_card_contact_and_to_the_mailboxes_before_and_after(
    contacts: RunningContactNotification, typed: dict[str, dict[str, str]], mailed: list[str]
) -> None:
    await commit(contacts, **typed)
    assert await list_mailed(contacts, "change") == mailed


@pytest.mark.requirement("CHG-01")
async def test_mail_names_what_changed_and_no_value_and_shows_the_act(contacts: RunningContactNotification) -> None:
    change = await commit(
        contacts, card={"telephone": "048-111-1111", "address": "新しい番地"}, representative={"fax": "048-111-1112"}
    )
    await seal_all(contacts.database, contacts.history_key, contacts.chain)
    await contacts.send_all()
    mail = next(mail for mail in contacts.mailbox.mails if mail.message["Subject"] == "利用者変更のお知らせ")
    assert (
        "変更された項目 : ICカード利用部署情報のaddress、ICカード利用部署情報のtelephone、代表窓口情報のfax"
        in mail.body
    )
    for value in ("048-111-1111", "048-111-1112", "新しい番地", "048-000-0000"):
        assert value not in mail.body
    committed = await change.read()
    assert f"記録の指紋 : {committed.history_digest.hex()}" in mail.body
    assert "記録番号 : 2（contact-notification）" in mail.body
    assert "封印 : 1（" in mail.body
    assert "証明書シリアル番号 : 4711" in mail.body
    assert "他の調達機関への反映 : 自動反映します" in mail.body


async def test_mail_waits_for_the_seal_a_minute_and_then_goes_without(contacts: RunningContactNotification) -> None:
    await commit(contacts, card={"telephone": "048-111-1111"})
    [(mail_id,)] = await contacts.rows(
        "SELECT mail_id::text FROM mails JOIN notices USING (notice_id) WHERE kind = 'change'"
    )
    send_mail = contacts.work.tasks["send_mail"][0]
    assert isinstance(await send_mail({"mail_id": mail_id}), Later)
    assert contacts.mailbox.mails == []
    await contacts.execute("UPDATE mails SET waits_since = now() - interval '61 seconds'")
    assert await send_mail({"mail_id": mail_id}) is None
    [mail] = contacts.mailbox.mails
    assert "記録番号 : ―" in mail.body
    assert "封印 : ―" in mail.body


async def test_mail_is_the_same_in_every_try(contacts: RunningContactNotification) -> None:
    await commit(contacts, card={"telephone": "048-111-1111"})
    await seal_all(contacts.database, contacts.history_key, contacts.chain)
    await contacts.send_all()
    contacts.pass_time(timedelta(hours=1))
    await contacts.execute("UPDATE mails SET state = 'written', sent_at = NULL")
    await contacts.send_all()
    first, second = (mail.body for mail in contacts.mailbox.mails if mail.message["Subject"] == "利用者変更のお知らせ")
    assert first == second
