"""A connection to the mail server serves the mails that follow, and no mail is lost or sent twice because of it."""

from collections.abc import AsyncIterator

import pytest

from contact_notification.adapters import smtp
from contact_notification.adapters.smtp import MailConnections, MailServer
from refusals import Refusal
from tests.support.infrastructure.mailbox import Mailbox, mailbox
from tests.support.services.contact_messages import staging_request
from tests.support.services.contact_notification import RunningContactNotification
from tests.support.waiting import wait_until

SENDER = "no-reply@toroku.example.lg.jp"


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mailbox() as box:
        yield box


@pytest.fixture
async def connections(box: Mailbox) -> AsyncIterator[MailConnections]:
    server = MailServer(host="127.0.0.1", port=box.port, security="none", ca=None, user="", password="")
    async with MailConnections.open(server) as connections:
        yield connections


async def send(connections: MailConnections, number: int) -> None:
    await connections.send(b"Subject: x\r\n\r\n", recipient=f"{number}@contractor.example", sender=SENDER)


async def until_open(box: Mailbox, count: int) -> None:
    async def is_so() -> bool:
        return box.open_connections == count

    await wait_until(is_so)


def taken(box: Mailbox) -> list[str]:
    return [recipient for mail in box.mails for recipient in mail.recipients]


async def test_mails_of_a_registration_share_a_connection(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.send_all()
    assert len(contacts.mailbox.mails) == 2
    assert len(contacts.mailbox.servers) == 1


@pytest.mark.parametrize("reply", ["421 4.4.2 idle for too long", "452 4.5.3 too many mails", "550 5.7.1 not you"])
async def test_server_that_takes_no_further_mail_is_asked_anew(
    box: Mailbox, connections: MailConnections, reply: str
) -> None:
    await send(connections, 1)
    box.sender_replies.append(reply)
    await send(connections, 2)
    assert taken(box) == ["1@contractor.example", "2@contractor.example"]
    assert len(box.servers) == 2


async def test_answer_of_a_new_connection_counts(box: Mailbox, connections: MailConnections) -> None:
    await send(connections, 1)
    box.sender_replies += ["421 4.3.2 shutting down", "550 5.7.1 not you"]
    with pytest.raises(Refusal) as caught:
        await send(connections, 2)
    assert (caught.value.reason, caught.value.metadata["answer"]) == ("MAIL_SERVER_UNUSABLE", "550 5.7.1")
    assert taken(box) == ["1@contractor.example"]


async def test_server_may_hang_up_between_two_mails(box: Mailbox, connections: MailConnections) -> None:
    await send(connections, 1)
    box.close_connections()
    # The second one may meet a connection whose end has not been noticed yet, the third one can't.
    await send(connections, 2)
    await until_open(box, 1)
    box.close_connections()
    await until_open(box, 0)
    await send(connections, 3)
    assert taken(box) == [f"{number}@contractor.example" for number in (1, 2, 3)]


async def test_connection_without_success_is_not_used_again(box: Mailbox, connections: MailConnections) -> None:
    box.data_replies.append("451 4.3.0 try later")
    with pytest.raises(Refusal, match="MAIL_NOT_TAKEN"):
        await send(connections, 1)
    await send(connections, 1)
    assert taken(box) == ["1@contractor.example"]
    assert len(box.servers) == 2
    await until_open(box, 1)


async def test_unused_connection_is_closed_soon(
    box: Mailbox, connections: MailConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "KEPT_FOR", 0.01)
    await send(connections, 1)
    await until_open(box, 0)
    await send(connections, 2)
    assert len(box.mails) == 2


async def test_old_connection_is_replaced(
    box: Mailbox, connections: MailConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "LONGEST_USE", -1.0)
    await send(connections, 1)
    await send(connections, 2)
    assert len(box.servers) == 2


async def test_connections_end_with_their_worker(box: Mailbox) -> None:
    server = MailServer(host="127.0.0.1", port=box.port, security="none", ca=None, user="", password="")
    async with MailConnections.open(server) as connections:
        await send(connections, 1)
        assert box.open_connections == 1
    await until_open(box, 0)
