"""A real mail server gets the profile's mails, whatever a name contains, and at least once."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr

from contact_notification.adapters.smtp import MailConnections
from contact_notification.commands.worker import describe_mail_server
from refusals import Refusal
from servicekit import job_run
from servicekit.credentials import CertificateFiles
from servicekit.telemetry import Telemetry
from tests.support.example_profile import example_profile
from tests.support.in_process import Authority
from tests.support.infrastructure.mailbox import mailbox
from tests.support.services.contact_messages import contact_form, staging_request
from tests.support.services.contact_notification import RunningContactNotification, running_contact_notification
from toroku.qualification.v1 import bidder_pb2

TO_CARD = "card1@contractor.example"
TO_DESK = "desk@contractor.example"


async def states(contacts: RunningContactNotification) -> dict[str, tuple[str, str | None]]:
    """Returns state and the last answer's codes of each mail, by address."""
    return {
        address: (state, answer)
        for address, state, answer in await contacts.rows(
            "SELECT contacts.mail_address, state, answer FROM mails JOIN contacts USING (contact_id)"
        )
    }


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Returns the log without the mail server's, which runs in this process and logs addresses as mail servers do."""
    return "\n".join(
        f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records if record.name != "mail.log"
    )


async def mail_to(contacts: RunningContactNotification, address: str) -> str:
    """Returns the id of the mail to an address."""
    ((mail_id,),) = await contacts.rows(
        f"SELECT mail_id::text FROM mails JOIN contacts USING (contact_id) WHERE contacts.mail_address = '{address}'"  # noqa: S608 (constants of this test)
    )
    return str(mail_id)


@pytest.mark.requirement("REG-07")
async def test_card_contact_gets_the_mail_of_its_registration(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.send_all()
    (mail,) = contacts.mailbox.to(TO_CARD)
    assert mail.sender == "no-reply@toroku.example.lg.jp"
    assert mail.recipients == (TO_CARD,)
    assert mail.message["Subject"] == "利用者登録のお知らせ"
    assert mail.message["From"].addresses[0].display_name == "例示県電子入札共同システム"
    assert mail.message["From"].addresses[0].addr_spec == "no-reply@toroku.example.lg.jp"
    assert mail.message["To"].addresses[0].addr_spec == TO_CARD
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["Message-ID"].endswith("@toroku.example.lg.jp>")
    assert mail.message["Date"].datetime.isoformat() == "2026-11-27T10:00:00+09:00"
    assert mail.body == (
        "登録されました。\n調達機関 : 例示県\n業務区分 : 工事等\n企業名称 : 株式会社髙﨑建設\n連絡先氏名 : 埼玉　太郎\n"
        "連絡先住所 : 埼玉県さいたま市浦和区高砂３－１５－１\nヘルプデスク 048-000-0009\n"
    )
    assert mail.content.isascii()


@pytest.mark.requirement("REG-07")
async def test_other_contacts_get_a_notice_that_names_the_new_card(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.send_all()
    (mail,) = contacts.mailbox.to(TO_DESK)
    assert mail.message["Subject"] == "お知らせ（例示県）"
    assert mail.body.startswith("証明書 4711（登録 太郎）、記録 ― ―\n")
    assert "連絡先氏名 : 埼玉　太郎\n" in mail.body


async def test_sent_mail_is_recorded_and_not_sent_again(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    mail_id = await mail_to(contacts, TO_CARD)
    ((before,),) = await contacts.rows("SELECT now()")
    await contacts.run("send_mail", mail_id=mail_id)
    await contacts.run("send_mail", mail_id=mail_id)
    assert len(contacts.mailbox.mails) == 1
    ((sent_at, now),) = await contacts.rows("SELECT sent_at, now() FROM mails WHERE state = 'sent'")
    assert before < sent_at < now, "by the database's time"


async def test_mail_that_was_not_recorded_is_sent_again_with_the_same_id(
    contacts: RunningContactNotification,
) -> None:
    """As after a worker died between the server's answer and its own record."""
    await contacts.register(staging_request(1))
    mail_id = await mail_to(contacts, TO_CARD)
    await contacts.run("send_mail", mail_id=mail_id)
    await contacts.execute("UPDATE mails SET state = 'written', sent_at = NULL")
    await contacts.run("send_mail", mail_id=mail_id)
    first, second = contacts.mailbox.mails
    assert first.content == second.content
    assert first.message["Message-ID"] == second.message["Message-ID"]


@pytest.mark.parametrize("step", ["recipient", "data"])
async def test_temporary_error_is_tried_again(contacts: RunningContactNotification, step: str) -> None:
    await contacts.register(staging_request(1))
    mail_id = await mail_to(contacts, TO_CARD)
    replies = contacts.mailbox.recipient_replies[TO_CARD] if step == "recipient" else contacts.mailbox.data_replies
    replies.append("451 4.3.0 <card1@contractor.example> try later")
    with pytest.raises(Refusal, match="MAIL_NOT_TAKEN") as caught:
        await contacts.run("send_mail", mail_id=mail_id)
    assert caught.value.metadata == {"answer": "451 4.3.0"}
    assert caught.value.__cause__ is None
    assert (await states(contacts))[TO_CARD] == ("written", "451 4.3.0")
    await contacts.run("send_mail", mail_id=mail_id)
    assert (await states(contacts))[TO_CARD][0] == "sent"


@pytest.mark.parametrize("step", ["recipient", "data"])
async def test_permanent_error_is_recorded_with_its_code(
    contacts: RunningContactNotification, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    await contacts.register(staging_request(1))
    mail_id = await mail_to(contacts, TO_CARD)
    replies = contacts.mailbox.recipient_replies[TO_CARD] if step == "recipient" else contacts.mailbox.data_replies
    replies.append("550 5.1.1 <card1@contractor.example> no such user")
    with caplog.at_level(logging.INFO):
        await contacts.run("send_mail", mail_id=mail_id)
        await contacts.run("send_mail", mail_id=mail_id)
    assert (await states(contacts))[TO_CARD] == ("failed", "550 5.1.1")
    assert contacts.mailbox.mails == []
    assert mail_id in logged(caplog)
    assert "contractor.example" not in logged(caplog)


async def test_server_that_refuses_the_sender_costs_no_mail(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    mail_id = await mail_to(contacts, TO_CARD)
    contacts.mailbox.sender_replies.append("550 5.7.1 not you")
    with pytest.raises(Refusal, match="MAIL_SERVER_UNUSABLE"):
        await contacts.run("send_mail", mail_id=mail_id)
    await contacts.run("send_mail", mail_id=mail_id)
    assert (await states(contacts))[TO_CARD][0] == "sent"


async def test_unreachable_server_costs_no_mail(migrated_database: Callable[[str], str], tmp_path: Path) -> None:
    dsn = migrated_database("contact_notification")
    async with running_contact_notification(dsn, tmp_path, example_profile()) as contacts:
        await contacts.register(staging_request(1))
        mail_id = await mail_to(contacts, TO_CARD)
        await contacts.close_mailbox()
        with pytest.raises(Refusal, match="MAIL_SERVER_UNUSABLE") as caught:
            await contacts.run("send_mail", mail_id=mail_id)
        assert caught.value.metadata == {"answer": "SMTPConnectError"}
        assert (await states(contacts))[TO_CARD] == ("written", "SMTPConnectError")


async def test_invalid_address_fails_at_once(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    mail_id = await mail_to(contacts, TO_CARD)
    await contacts.execute(
        "UPDATE contacts SET mail_address = E'a@b.example\\r\\nBcc: x@evil.example' WHERE mail_address = :to",
        to=TO_CARD,
    )
    await contacts.run("send_mail", mail_id=mail_id)
    assert [state for state, _ in (await states(contacts)).values()].count("failed") == 1
    assert contacts.mailbox.mails == []


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?a=0D=0ABcc:_x=40evil.example?=",
        "=?utf-8?b?YQ0KQmNjOiB4QGV2aWwuZXhhbXBsZQ==?=",
        "Bcc: x@evil.example",
        '", <x@evil.example>',
        "{help_desk_url}{agency.name}",
    ],
)
async def test_no_name_becomes_a_header(contacts: RunningContactNotification, name: str) -> None:
    company = bidder_pb2.CompanyProfile(bidder_id="1000000001", name=name)
    request = staging_request(1, company=company)
    # The database may contain texts from before the field rules that refuse them.
    await contacts.stage(request)
    await contacts.execute("UPDATE contacts SET person_name = :name, address = :name", name=name)
    await contacts.register(request)
    await contacts.send_all()
    assert len(contacts.mailbox.mails) == 2
    for mail in contacts.mailbox.mails:
        assert sorted(key.lower() for key in mail.message) == [
            "auto-submitted",
            "content-transfer-encoding",
            "content-type",
            "date",
            "from",
            "message-id",
            "mime-version",
            "subject",
            "to",
        ]
        assert b"evil" not in mail.content.partition(b"\r\n\r\n")[0]
        assert len(mail.recipients) == 1
        assert f"連絡先氏名 : {name}\n" in mail.body


async def test_value_can_not_begin_a_new_line(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    await contacts.execute("UPDATE contacts SET person_name = E'太郎\\r\\n至急お振込みください\u2028口座'")
    await contacts.register(request)
    await contacts.send_all()
    assert "連絡先氏名 : 太郎  至急お振込みください 口座\n" in contacts.mailbox.to(TO_CARD)[0].body


async def test_missing_value_is_never_printed_as_null(migrated_database: Callable[[str], str], tmp_path: Path) -> None:
    fields = [
        rule.model_dump() | {"required": rule.field in ("mail_address",)}
        for rule in example_profile().categories[0].contact_fields
    ]
    profile = example_profile(category={"contact_fields": fields})
    async with running_contact_notification(migrated_database("contact_notification"), tmp_path, profile) as contacts:
        await contacts.register(staging_request(1, card_contact=contact_form("", address="", mail_address=TO_CARD)))
        await contacts.send_all()
        body = contacts.mailbox.to(TO_CARD)[0].body
        assert "連絡先氏名 : ―\n連絡先住所 : ―\n" in body
        assert "None" not in body


@pytest.mark.requirement("REG-07")
async def test_worker_sends_mails_and_tries_again(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture
) -> None:
    contacts.mailbox.recipient_replies[TO_CARD].append("450 4.2.1 <card1@contractor.example> busy")
    stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def stopped() -> None:
        await stop

    with caplog.at_level(logging.INFO):
        working = asyncio.create_task(
            job_run.run(
                contacts.work,
                contacts.dsn,
                telemetry=Telemetry(TracerProvider(), 0),
                concurrency={"events": 1, "mail": 2},
                stop=stopped(),
            )
        )
        await contacts.register(staging_request(1))
        await contacts.mailbox.until(2)
        stop.set_result(None)
        await working
    assert {mail.recipients for mail in contacts.mailbox.mails} == {(TO_CARD,), (TO_DESK,)}
    assert "MAIL_NOT_TAKEN" in logged(caplog)
    assert "contractor.example" not in logged(caplog)


def tls_of(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)
    return context


@pytest.mark.parametrize(
    ("trusted", "password", "answer"),
    [
        (True, "right", None),
        (True, "wrong", "535 5.7.8"),
        (False, "right", "SSLCertVerificationError"),
    ],
    ids=["accepted", "wrong password", "unknown CA"],
)
async def test_mail_is_sent_over_tls_to_the_trusted_server_only(
    contacts: RunningContactNotification, tmp_path: Path, trusted: bool, password: str, answer: str | None
) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "other").mkdir()
    own = Authority(tmp_path / "mail", "example")
    Authority(tmp_path / "other", "example")

    def log_in(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: LoginPassword
    ) -> AuthResult:
        # Not "handled": the server itself sends the answer.
        return AuthResult(success=login == LoginPassword(b"toroku", b"right"), handled=False)

    async with mailbox(tls=tls_of(own.service("mail")), authenticator=log_in) as box:
        settings = contacts.settings.model_copy(
            update={
                "smtp_port": box.port,
                "smtp_security": "starttls",
                "smtp_ca": (tmp_path / "mail" if trusted else tmp_path / "other") / "ca.pem",
                "smtp_user": "toroku",
                "smtp_password": SecretStr(password),
            }
        )
        server = describe_mail_server(settings)
        message = EmailMessage()
        message.set_content("本文")
        async with MailConnections.open(server) as connections:
            if answer is None:
                await connections.send(message.as_bytes(), recipient=TO_CARD, sender="no-reply@toroku.example.lg.jp")
                assert box.mails[0].body == "本文\n"
            else:
                with pytest.raises(Refusal, match="MAIL_SERVER_UNUSABLE") as caught:
                    await connections.send(
                        message.as_bytes(), recipient=TO_CARD, sender="no-reply@toroku.example.lg.jp"
                    )
                assert caught.value.metadata == {"answer": answer}
                assert box.mails == []
        assert password not in repr(settings)
        assert password not in repr(server)
