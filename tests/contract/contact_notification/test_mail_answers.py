"""What the mail server answers decides whether a mail has failed, waits, or waits with all others; and for how long."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from contact_notification.adapters import smtp
from contact_notification.adapters.smtp import MailConnections, MailServer
from contact_notification.domain.mail import UndeliverableMailError
from refusals import Refusal
from tests.support.example_profile import example_profile
from tests.support.infrastructure.mailbox import mailbox
from tests.support.services.contact_messages import staging_request
from tests.support.services.contact_notification import RunningContactNotification, running_contact_notification

TO_CARD, TO_DESK = "card1@contractor.example", "desk@contractor.example"
NOT_TAKEN, FAILURES = "toroku_mails_not_taken", "toroku_mail_failures_total"
NONE = {"refused": 0, "given_up": 0, "put_off": 0, "server_unusable": 0}
RELAY_DENIED = "554 5.7.1 <card1@contractor.example>: Relay access denied"


@pytest.fixture
async def contacts(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningContactNotification]:
    async with running_contact_notification(
        migrated_database("contact_notification"), tmp_path, example_profile()
    ) as running:
        await running.register(staging_request(1))
        yield running


async def try_mail(contacts: RunningContactNotification, address: str = TO_CARD) -> str:
    """Tries the mail to an address once; returns the reason of the refusal, or "" where there was none."""
    ((mail_id,),) = await contacts.rows(
        f"SELECT mail_id::text FROM mails JOIN contacts USING (contact_id) WHERE contacts.mail_address = '{address}'"  # noqa: S608 (constants of this test)
    )
    try:
        await contacts.run("send_mail", mail_id=mail_id)
    except Refusal as refusal:
        return refusal.reason
    return ""


async def mail_of(contacts: RunningContactNotification, address: str = TO_CARD) -> tuple[str, str | None, str | None]:
    """Returns state, result and the last answer's codes of the mail to an address."""
    (row,) = [
        found
        for *found, to in await contacts.rows(
            "SELECT state, result, answer, contacts.mail_address FROM mails JOIN contacts USING (contact_id)"
        )
        if to == address
    ]
    return row[0], row[1], row[2]


@asynccontextmanager
async def scripted_server(*answers: bytes) -> AsyncIterator[int]:
    """Answers with these lines in turn, the first one as greeting, and then hangs up; yields its port."""
    talks: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(cast("asyncio.Task[None]", asyncio.current_task()))
        for answer in answers:
            writer.write(answer + b"\r\n")
            await reader.readline()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*talks)


async def send_to(port: int, recipient: str = TO_CARD) -> None:
    """Sends one mail through the server at a port."""
    server = MailServer(host="127.0.0.1", port=port, security="none", ca=None, user="", password="")
    async with MailConnections.open(server) as connections:
        await connections.send(b"\r\n", recipient=recipient, sender="no-reply@toroku.example.lg.jp")


async def test_server_that_does_not_relay_for_us_costs_no_mail(contacts: RunningContactNotification) -> None:
    """Postfix with its defaults says it at RCPT, to each recipient."""
    contacts.mailbox.recipient_replies[TO_CARD].append(RELAY_DENIED)
    assert await try_mail(contacts) == "MAIL_NOT_TAKEN"
    assert await mail_of(contacts) == ("written", "put_off", "554 5.7.1")
    assert await try_mail(contacts) == ""
    assert (await mail_of(contacts))[0] == "sent"


@pytest.mark.parametrize("extensions", [["ENHANCEDSTATUSCODES"], []], ids=["announced", "not announced"])
@pytest.mark.parametrize(
    ("answer", "is_final"),
    [(RELAY_DENIED, False), ("550 5.7.1 no", False), ("554 no", False), ("550 5.1.1 no", True), ("550 no", True)],
)
async def test_enhanced_code_counts_where_it_is_given(answer: str, is_final: bool, extensions: list[str]) -> None:
    async with mailbox() as box:
        box.extensions = extensions
        box.recipient_replies[TO_CARD].append(answer)
        with pytest.raises(UndeliverableMailError if is_final else Refusal) as caught:
            await send_to(box.port)
        assert TO_CARD not in str(caught.value)


@pytest.mark.parametrize(
    "answers",
    [
        [b"554 5.7.1 no service for you"],
        [b"421 4.3.2 shutting down"],
        [b"220 mail", b"550 5.1.1 no", b"502 no"],
        [b"220 mail", b"250 mail", b"550 no such sender"],
        [b"220 mail", b"250 mail", b"250 ok", b"421 4.7.0 too many mails"],
        [b"220 mail", b"250 mail", b"250 ok", b"250 ok", b"421 4.3.2 shutting down"],
        [b"220 mail", b"250 mail"],
        [b"no SMTP"],
    ],
    ids=["greeting", "busy", "EHLO", "MAIL", "RCPT, closing", "DATA, closing", "hangs up", "no SMTP"],
)
async def test_server_that_does_not_take_us_is_told_from_one_that_does_not_take_the_mail(answers: list[bytes]) -> None:
    async with scripted_server(*answers) as port:
        with pytest.raises(Refusal, match="MAIL_SERVER_UNUSABLE"):
            await send_to(port)


@pytest.mark.parametrize(("last", "is_final"), [(b"554 5.6.0 no", False), (b"550 5.2.1 disabled", True)])
@pytest.mark.parametrize("step", ["DATA", "end of the data"])
async def test_answer_to_the_message_is_judged_as_the_one_to_its_recipient(
    step: str, last: bytes, is_final: bool
) -> None:
    before = [b"220 mail", b"250 mail", b"250 ok", b"250 ok"]
    answers = [*before, last] if step == "DATA" else [*before, b"354 go on", last]
    async with scripted_server(*answers) as port:
        with pytest.raises(UndeliverableMailError if is_final else Refusal):
            await send_to(port)


async def test_server_that_says_nothing_is_left_after_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT", 0.1)

    async with scripted_server(b"220-wait") as port:
        with pytest.raises(Refusal, match="MAIL_SERVER_UNUSABLE") as caught:
            await send_to(port)
    assert caught.value.metadata == {"answer": "TimeoutError"}


async def test_mail_is_given_up_after_days_with_its_last_code(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture
) -> None:
    contacts.mailbox.domain_replies["contractor.example"] = "450 4.2.1 busy"
    assert await try_mail(contacts) == "MAIL_NOT_TAKEN"
    # The database's time counts, and not that of the process, which may be wrong.
    contacts.pass_time(timedelta(days=20))
    await contacts.execute("UPDATE mails SET waits_since = now() - interval '5 days' + interval '1 minute'")
    assert await try_mail(contacts) == "MAIL_NOT_TAKEN"
    await contacts.execute("UPDATE mails SET waits_since = now() - interval '5 days'")
    with caplog.at_level(logging.ERROR):
        assert await try_mail(contacts) == "", "its job has ended"
    assert "send-failed-mails" in caplog.text
    assert await mail_of(contacts) == ("failed", "given_up", "450 4.2.1")
    scrape = await contacts.look()
    assert scrape.value(FAILURES, kind="given_up") == 1
    assert scrape.value(FAILURES, kind="put_off") == 3


async def test_mail_that_waited_long_for_its_first_try_is_sent(contacts: RunningContactNotification) -> None:
    """As after days in which no worker ran."""
    await contacts.execute("UPDATE mails SET waits_since = now() - interval '20 days'")
    assert await try_mail(contacts) == ""
    assert (await mail_of(contacts))[0] == "sent"


async def test_mails_that_nobody_takes_are_counted_until_one_is_taken(contacts: RunningContactNotification) -> None:
    assert (await contacts.look()).by_label(NOT_TAKEN, "kind") == NONE
    contacts.mailbox.recipient_replies[TO_CARD] += [RELAY_DENIED, RELAY_DENIED]
    contacts.mailbox.recipient_replies[TO_DESK] += ["550 5.1.1 no such user"]
    # The tries of one mail count once.
    for _ in range(2):
        assert await try_mail(contacts) == "MAIL_NOT_TAKEN"
    assert await try_mail(contacts, TO_DESK) == ""
    assert (await contacts.look()).by_label(NOT_TAKEN, "kind") == NONE | {"put_off": 1, "refused": 1}
    await contacts.close_mailbox()
    assert await try_mail(contacts) == "MAIL_SERVER_UNUSABLE"
    assert (await contacts.look()).by_label(NOT_TAKEN, "kind") == NONE | {"server_unusable": 1, "refused": 1}
    # Nobody tries the second one any more, so it can't keep an alert burning over a week-end.
    await contacts.execute("UPDATE mails SET tried_at = now() - interval '1 day' WHERE state = 'failed'")
    assert (await contacts.look()).by_label(NOT_TAKEN, "kind") == NONE | {"server_unusable": 1}


async def test_mail_that_is_taken_ends_the_count(contacts: RunningContactNotification) -> None:
    contacts.mailbox.recipient_replies[TO_CARD].append(RELAY_DENIED)
    assert await try_mail(contacts) == "MAIL_NOT_TAKEN"
    assert await try_mail(contacts, TO_DESK) == ""
    assert (await contacts.look()).by_label(NOT_TAKEN, "kind") == NONE
