"""The code of an invitation is sealed until its mail is written, and forgotten when the mail was sent or has failed."""

import logging
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from refusals import Refusal
from servicekit.mailed_secrets import MailedSecretKey
from servicekit.messages import write_timestamp
from tests.support.database_dump import dump_database
from tests.support.example_profile import CITY
from tests.support.services.contact_messages import MORNING, card_owner
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_pb2

CODE = "K7QF-9PM2-XW4T"
ADDRESS = "yamada@agency.example"


def invite(key: MailedSecretKey) -> contact_pb2.Notice:
    """Returns the notice of an invitation as certificate-registry sends it."""
    notice_id = uuid4()
    return contact_pb2.Notice(
        notice_id=str(notice_id),
        kind=contact_pb2.NOTICE_KIND_OFFICER_INVITATION,
        recipients=[contact_pb2.NoticeRecipient(mail_address=ADDRESS, name="山田　花子")],
        officer=contact_pb2.OfficerFacts(agency=CITY, person_id="yamada", valid_until=write_timestamp(MORNING)),
        sealed_secret=key.seal(CODE, notice_id),
    )


async def read_outbox(contacts: RunningContactNotification) -> list[tuple[object, ...]]:
    return await contacts.rows(
        "SELECT state, result, sealed_secret IS NULL AS forgets, mail_address, recipient_name FROM mails"
    )


def is_stored(contacts: RunningContactNotification) -> bool:
    """Returns whether the database has the code, in clear or in hexadecimal digits."""
    stored = dump_database(contacts.dsn)
    return CODE in stored or CODE.encode().hex() in stored


async def test_code_stands_in_its_mail_and_nowhere_else(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture
) -> None:
    notice = invite(contacts.mailed_secret_key)
    with caplog.at_level(logging.DEBUG):
        await contacts.notify(notice)
        assert dump_database(contacts.dsn).count(notice.sealed_secret.hex()) == 1, "in the mail's row alone"
        assert not is_stored(contacts)
        await contacts.send_all()
    (mail,) = contacts.mailbox.to(ADDRESS)
    assert f"招待コード : {CODE}\n使用期限 : 2026/11/27 10:00\n" in mail.body
    assert mail.body.startswith("山田　花子 様\n")
    assert "「toroku officer accept yamada」を実行し" in mail.body
    assert await read_outbox(contacts) == [("sent", None, True, "", "")]
    assert notice.sealed_secret.hex() not in dump_database(contacts.dsn)
    assert CODE not in caplog.text
    # A repetition, sealed anew by its producer, brings nothing back.
    notice.sealed_secret = contacts.mailed_secret_key.seal(CODE, UUID(notice.notice_id))
    await contacts.notify(notice)
    assert notice.sealed_secret.hex() not in dump_database(contacts.dsn)


@pytest.mark.parametrize("reply", ["550 5.1.1 unknown", "450 later"])
async def test_code_of_a_mail_that_failed_is_forgotten_with_its_address(
    contacts: RunningContactNotification, reply: str
) -> None:
    await contacts.notify(invite(contacts.mailed_secret_key))
    contacts.mailbox.domain_replies["agency.example"] = reply
    if reply.startswith("450"):
        with pytest.raises(Refusal, match="MAIL_NOT_TAKEN"):
            await contacts.send_all()
        assert await read_outbox(contacts) == [("written", "put_off", False, ADDRESS, "山田　花子")]
        await contacts.execute("UPDATE mails SET waits_since = now() - interval '6 days'")
    await contacts.send_all()
    result = "given_up" if reply.startswith("450") else "refused"
    assert await read_outbox(contacts) == [("failed", result, True, "", "")]
    # Nobody can have it sent again: there is nothing to tell any more.
    status, listed, _ = await contacts.run_command("list-failed-mails")
    assert status == 0
    assert "officer_invitation\tits address was forgotten" in listed
    assert (await contacts.run_command("send-failed-mails"))[1] == "0 mails are sent again\n"


async def test_mail_waits_for_the_right_key_and_the_operator_is_told(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture
) -> None:
    notice = invite(MailedSecretKey(Ed25519PrivateKey.generate()))
    await contacts.notify(notice)
    with pytest.raises(Refusal, match="MAIL_SECRET_UNREADABLE"):
        await contacts.send_all()
    assert contacts.mailbox.mails == []
    assert await read_outbox(contacts) == [("written", "secret_unreadable", False, ADDRESS, "山田　花子")]
    (alert,) = [record.getMessage() for record in caplog.records if "ALERT" in record.getMessage()]
    assert "TOROKU_MAILED_SECRET_KEY" in alert
    assert "sealed with another key" in alert
    assert ADDRESS not in caplog.text
    scrape = await contacts.look()
    assert scrape.value("toroku_mail_failures_total", kind="secret_unreadable") == 1
    # With the key of who sealed it, it goes out: here the mail is sealed anew with the worker's.
    sealed = contacts.mailed_secret_key.seal(CODE, UUID(notice.notice_id))
    await contacts.execute("UPDATE mails SET sealed_secret = :sealed", sealed=sealed)
    await contacts.send_all()
    assert CODE in contacts.mailbox.to(ADDRESS)[0].body


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("no secret", "sealed_secret"),
        ("too long", "sealed_secret"),
        ("secret of another kind", "sealed_secret"),
        ("two addresses", "recipients"),
        ("a contact", "recipients"),
    ],
)
async def test_only_an_invitation_to_one_address_has_a_secret(
    contacts: RunningContactNotification, change: str, part: str
) -> None:
    notice = invite(contacts.mailed_secret_key)
    match change:
        case "no secret":
            notice.sealed_secret = b""
        case "too long":
            notice.sealed_secret = b"x" * 1_025
        case "secret of another kind":
            notice.kind = contact_pb2.NOTICE_KIND_OFFICER_CERTIFICATE_EXPIRING
        case "two addresses":
            notice.recipients.append(notice.recipients[0])
        case "a contact":
            notice.recipients[0].CopyFrom(card_owner(1))
    with pytest.raises(Refusal, match="NOTICE_INVALID") as caught:
        await contacts.notify(notice)
    assert caught.value.metadata == {"part": part}
