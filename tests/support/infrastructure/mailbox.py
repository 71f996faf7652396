"""A mail server on loopback (aiosmtpd) that keeps what it takes, and refuses what a test wants it to."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


@dataclass(frozen=True, slots=True)
class Delivered:
    """One mail as it was taken: envelope and content."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def body(self) -> str:
        """The text, decoded, its lines ended in Python's way."""
        return str(self.message.get_content()).replace("\r\n", "\n")


@dataclass(slots=True)
class Mailbox:
    """What has arrived, and what is answered: lists of replies are used up, one for each time."""

    port: int = 0
    mails: list[Delivered] = field(default_factory=list)
    sender_replies: list[str] = field(default_factory=list)
    recipient_replies: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    data_replies: list[str] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, count: int) -> list[Delivered]:
        """Waits until so many mails have arrived."""
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.mails) >= count)
        return self.mails

    def to(self, address: str) -> list[Delivered]:
        """The mails to one address."""
        return [mail for mail in self.mails if address in mail.recipients]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, mail_options: list[str]
    ) -> str:
        if self.sender_replies:
            return self.sender_replies.pop(0)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if self.recipient_replies[address]:
            return self.recipient_replies[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data_replies:
            return self.data_replies.pop(0)
        async with self.arrived:
            content = cast(bytes, envelope.content)
            self.mails.append(Delivered(str(envelope.mail_from), tuple(envelope.rcpt_tos), content))
            self.arrived.notify_all()
        return "250 OK"


@asynccontextmanager
async def mailbox(
    *, tls: ssl.SSLContext | None = None, authenticator: Callable[..., AuthResult] | None = None
) -> AsyncIterator[Mailbox]:
    """Takes mails at a free port on loopback until the block ends; with `tls` after STARTTLS only, with an
    authenticator after a log-in only."""
    box = Mailbox()

    def connection() -> Any:
        return SMTP(
            box,
            hostname="localhost",
            tls_context=tls,
            require_starttls=tls is not None,
            authenticator=authenticator,
            auth_required=authenticator is not None,
        )

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
