"""What arrives at a real mail server: the profile's mails, whatever a name holds, and at least once."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr
from sqlalchemy import text

from contact_notification.mail import send
from refusals import Refusal
from servicekit import jobs
from servicekit.credentials import CertificateFiles
from servicekit.telemetry import Telemetry
from tests.support.example_profile import example_profile
from tests.support.in_process import Authority
from tests.support.infrastructure.mailbox import mailbox
from tests.support.services.contact_notification import ContactHouse, committed, contact_house, form, staging
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

TO_CARD = "card1@contractor.example"
TO_DESK = "desk@contractor.example"


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[ContactHouse]:
    async with contact_house(migrated_database("contact_notification"), tmp_path, example_profile()) as opened:
        yield opened


async def states(house: ContactHouse) -> dict[str, tuple[str, int | None]]:
    """State and SMTP code of each mail, by address."""
    return {
        address: (state, code)
        for address, state, code in await house.rows(
            "SELECT mail_address, state, smtp_code FROM mails JOIN contacts USING (contact_id)"
        )
    }


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What the service and its libraries logged; the mail server in this process logs addresses, as mail servers do."""
    return "\n".join(
        f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records if record.name != "mail.log"
    )


async def mail_to(house: ContactHouse, address: str) -> str:
    """The id of the mail to an address."""
    ((mail_id,),) = await house.rows(
        f"SELECT mail_id::text FROM mails JOIN contacts USING (contact_id) WHERE mail_address = '{address}'"  # noqa: S608
    )
    return str(mail_id)


@pytest.mark.requirement("REG-07")
async def test_the_card_contact_gets_the_notice_of_its_registration(house: ContactHouse) -> None:
    await house.register(staging(1))
    await house.send_all()
    (mail,) = house.mailbox.to(TO_CARD)
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
async def test_the_others_get_a_notice_that_names_the_new_card(house: ContactHouse) -> None:
    await house.register(staging(1))
    await house.send_all()
    (mail,) = house.mailbox.to(TO_DESK)
    assert mail.message["Subject"] == "お知らせ（例示県）"
    assert mail.body.startswith("証明書 4711\n")
    assert "連絡先氏名 : 埼玉　太郎\n" in mail.body


async def test_a_mail_is_recorded_as_sent_and_not_sent_again(house: ContactHouse) -> None:
    await house.register(staging(1))
    mail_id = await mail_to(house, TO_CARD)
    house.pass_time(timedelta(seconds=5))
    await house.run("send_mail", mail_id=mail_id)
    await house.run("send_mail", mail_id=mail_id)
    assert len(house.mailbox.mails) == 1
    rows = await house.rows("SELECT sent_at FROM mails WHERE state = 'sent'")
    assert rows == [(house.now[0],)]


async def test_a_mail_of_which_nothing_was_recorded_comes_again_with_the_same_id(house: ContactHouse) -> None:
    """A worker that dies between the server's answer and its own record."""
    await house.register(staging(1))
    mail_id = await mail_to(house, TO_CARD)
    await house.run("send_mail", mail_id=mail_id)
    async with house.database.transaction() as connection:
        await connection.execute(text("UPDATE mails SET state = 'written', sent_at = NULL"))
    await house.run("send_mail", mail_id=mail_id)
    first, second = house.mailbox.mails
    assert first.content == second.content
    assert first.message["Message-ID"] == second.message["Message-ID"]


@pytest.mark.parametrize("step", ["recipient", "data"])
async def test_a_temporary_error_is_tried_again(house: ContactHouse, step: str) -> None:
    await house.register(staging(1))
    mail_id = await mail_to(house, TO_CARD)
    replies = house.mailbox.recipient_replies[TO_CARD] if step == "recipient" else house.mailbox.data_replies
    replies.append("451 4.3.0 <card1@contractor.example> try later")
    with pytest.raises(Refusal, match="MAIL_NOT_TAKEN") as caught:
        await house.run("send_mail", mail_id=mail_id)
    assert caught.value.metadata == {"answer": "451"}
    assert caught.value.__cause__ is None
    assert (await states(house))[TO_CARD] == ("written", None)
    await house.run("send_mail", mail_id=mail_id)
    assert (await states(house))[TO_CARD] == ("sent", None)


@pytest.mark.parametrize("step", ["recipient", "data"])
async def test_a_permanent_error_is_recorded_with_its_code(
    house: ContactHouse, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    await house.register(staging(1))
    mail_id = await mail_to(house, TO_CARD)
    replies = house.mailbox.recipient_replies[TO_CARD] if step == "recipient" else house.mailbox.data_replies
    replies.append("550 5.1.1 <card1@contractor.example> no such user")
    with caplog.at_level(logging.INFO):
        await house.run("send_mail", mail_id=mail_id)
        await house.run("send_mail", mail_id=mail_id)
    assert (await states(house))[TO_CARD] == ("failed", 550)
    assert house.mailbox.mails == []
    assert mail_id in logged(caplog)
    assert "contractor.example" not in logged(caplog)


async def test_a_server_that_refuses_the_sender_costs_no_mail(house: ContactHouse) -> None:
    await house.register(staging(1))
    mail_id = await mail_to(house, TO_CARD)
    house.mailbox.sender_replies.append("550 5.7.1 not you")
    with pytest.raises(Refusal, match="MAIL_NOT_TAKEN"):
        await house.run("send_mail", mail_id=mail_id)
    await house.run("send_mail", mail_id=mail_id)
    assert (await states(house))[TO_CARD] == ("sent", None)


async def test_a_server_that_is_down_costs_no_mail(migrated_database: Callable[[str], str], tmp_path: Path) -> None:
    dsn = migrated_database("contact_notification")
    async with contact_house(dsn, tmp_path, example_profile()) as house:
        await house.register(staging(1))
        mail_id = await mail_to(house, TO_CARD)
        await house.close_mailbox()
        with pytest.raises(Refusal, match="MAIL_NOT_TAKEN") as caught:
            await house.run("send_mail", mail_id=mail_id)
        assert caught.value.metadata == {"answer": "SMTPConnectError"}
        assert (await states(house))[TO_CARD] == ("written", None)


async def test_an_address_that_can_not_be_one_fails_at_once(house: ContactHouse) -> None:
    await house.register(staging(1))
    mail_id = await mail_to(house, TO_CARD)
    async with house.database.transaction() as connection:
        await connection.execute(
            text("UPDATE contacts SET mail_address = E'a@b.example\\r\\nBcc: x@evil.example' WHERE mail_address = :to"),
            {"to": TO_CARD},
        )
    await house.run("send_mail", mail_id=mail_id)
    assert [state for state, _ in (await states(house)).values()].count("failed") == 1
    assert house.mailbox.mails == []


@pytest.mark.requirement("REG-07")
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
async def test_no_name_makes_a_header(house: ContactHouse, name: str) -> None:
    company = qualification_pb2.CompanyProfile(bidder_id="1000000001", name=name)
    request = staging(1, company=company)
    # What the field rules would not take any more may stand in the database since before they were made.
    await house.stage(request)
    async with house.database.transaction() as connection:
        await connection.execute(text("UPDATE contacts SET person_name = :name, address = :name"), {"name": name})
    await house.record(committed(request))
    await house.send_all()
    assert len(house.mailbox.mails) == 2
    for mail in house.mailbox.mails:
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


async def test_a_value_can_not_begin_a_line_of_its_own(house: ContactHouse) -> None:
    request = staging(1)
    await house.stage(request)
    async with house.database.transaction() as connection:
        await connection.execute(text("UPDATE contacts SET person_name = E'太郎\\r\\n至急お振込みください\u2028口座'"))
    await house.record(committed(request))
    await house.send_all()
    assert "連絡先氏名 : 太郎  至急お振込みください 口座\n" in house.mailbox.to(TO_CARD)[0].body


async def test_what_is_missing_is_never_printed_as_null(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    fields = [
        rule.model_dump() | {"required": rule.field in ("mail_address",)}
        for rule in example_profile().categories[0].contact_fields
    ]
    profile = example_profile(category={"contact_fields": fields})
    async with contact_house(migrated_database("contact_notification"), tmp_path, profile) as house:
        await house.register(staging(1, card_contact=form("", address="", mail_address=TO_CARD)))
        await house.send_all()
        body = house.mailbox.to(TO_CARD)[0].body
        assert "連絡先氏名 : ―\n連絡先住所 : ―\n" in body
        assert "None" not in body


@pytest.mark.requirement("REG-07")
async def test_the_worker_sends_by_itself_and_tries_again(
    house: ContactHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house.mailbox.recipient_replies[TO_CARD].append("450 4.2.1 <card1@contractor.example> busy")
    stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def stopped() -> None:
        await stop

    with caplog.at_level(logging.INFO):
        working = asyncio.create_task(
            jobs.run(
                house.work,
                house.dsn,
                telemetry=Telemetry(TracerProvider(), 0),
                concurrency={"events": 1, "mail": 2},
                stop=stopped(),
            )
        )
        await house.register(staging(1))
        await house.mailbox.until(2)
        stop.set_result(None)
        await working
    assert {mail.recipients for mail in house.mailbox.mails} == {(TO_CARD,), (TO_DESK,)}
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
        (True, "wrong", "535"),
        (False, "right", "SSLCertVerificationError"),
    ],
    ids=["taken", "wrong password", "unknown CA"],
)
async def test_a_mail_goes_over_tls_to_the_right_server_only(
    house: ContactHouse, tmp_path: Path, trusted: bool, password: str, answer: str | None
) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "other").mkdir()
    own = Authority(tmp_path / "mail", "example")
    Authority(tmp_path / "other", "example")

    def log_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword) -> AuthResult:
        # Not "handled": the answer is the server's to give.
        return AuthResult(success=login == LoginPassword(b"toroku", b"right"), handled=False)

    async with mailbox(tls=tls_of(own.service("mail")), authenticator=log_in) as box:
        settings = house.settings.model_copy(
            update={
                "smtp_port": box.port,
                "smtp_security": "starttls",
                "smtp_ca": (tmp_path / "mail" if trusted else tmp_path / "other") / "ca.pem",
                "smtp_user": "toroku",
                "smtp_password": SecretStr(password),
            }
        )
        message = EmailMessage()
        message.set_content("本文")
        if answer is None:
            await send(message, TO_CARD, "no-reply@toroku.example.lg.jp", settings)
            assert box.mails[0].body == "本文\n"
        else:
            with pytest.raises(Refusal, match="MAIL_NOT_TAKEN") as caught:
                await send(message, TO_CARD, "no-reply@toroku.example.lg.jp", settings)
            assert caught.value.metadata == {"answer": answer}
            assert box.mails == []
        assert password not in repr(settings)
