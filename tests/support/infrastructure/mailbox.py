"""A mail server on loopback (aiosmtpd) that keeps accepted mails, and replies as a test prepares."""

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
class ReceivedMail:
    """One accepted mail: envelope and content."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """Returns the parsed message."""
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def body(self) -> str:
        """Returns the decoded text with LF as line end."""
        return str(self.message.get_content()).replace("\r\n", "\n")


@dataclass(slots=True)
class Mailbox:
    """The accepted mails, and prepared replies, each of which is used once; without one the server accepts."""

    port: int = 0
    mails: list[ReceivedMail] = field(default_factory=list)
    sender_replies: list[str] = field(default_factory=list)
    recipient_replies: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    data_replies: list[str] = field(default_factory=list)
    # Replies to every mail for a domain.
    domain_replies: dict[str, str] = field(default_factory=dict)
    # What it announces beside its own, as answer to EHLO.
    extensions: list[str] = field(default_factory=list)
    # The recipients as they were tried.
    tried: list[str] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    # One for each connection that was ever opened.
    servers: list[SMTP] = field(default_factory=list)

    @property
    def open_connections(self) -> int:
        """Returns how many connections neither side has closed."""
        return sum(server.transport is not None for server in self.servers)

    def close_connections(self) -> None:
        """Hangs up, as a mail server does after some time without a command."""
        for server in self.servers:
            if server.transport is not None:
                server.transport.close()

    async def until(self, count: int) -> list[ReceivedMail]:
        """Waits until `count` mails have arrived, and returns all."""
        await self.until_true(lambda: len(self.mails) >= count)
        return self.mails

    async def until_true(self, condition: Callable[[], bool]) -> None:
        """Waits until a condition on what arrived and was tried is met."""
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(condition)

    def to(self, address: str) -> list[ReceivedMail]:
        """Returns the mails to one address."""
        return [mail for mail in self.mails if address in mail.recipients]

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *(f"250-{extension}" for extension in self.extensions), responses[-1]]

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
        async with self.arrived:
            self.tried.append(address)
            self.arrived.notify_all()
        if self.recipient_replies[address]:
            return self.recipient_replies[address].pop(0)
        domain = address.rpartition("@")[2]
        if domain in self.domain_replies:
            return self.domain_replies[domain]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data_replies:
            return self.data_replies.pop(0)
        async with self.arrived:
            content = cast(bytes, envelope.content)
            self.mails.append(ReceivedMail(str(envelope.mail_from), tuple(envelope.rcpt_tos), content))
            self.arrived.notify_all()
        return "250 OK"


@asynccontextmanager
async def mailbox(
    *, tls: ssl.SSLContext | None = None, authenticator: Callable[..., AuthResult] | None = None
) -> AsyncIterator[Mailbox]:
    """Accepts mails at a free loopback port until the block ends.

    With `tls` it requires STARTTLS, with an authenticator a log-in.
    """
    box = Mailbox()

    def connection() -> Any:
        box.servers.append(
            SMTP(
                box,
                hostname="localhost",
                tls_context=tls,
                require_starttls=tls is not None,
                authenticator=authenticator,
                auth_required=authenticator is not None,
            )
        )
        return box.servers[-1]

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
