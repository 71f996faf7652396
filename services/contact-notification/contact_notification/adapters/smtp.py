"""The mail server, over SMTP."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import aiosmtplib

from contact_notification.domain.mail import FailedTry, UndeliverableMailError
from contact_notification.domain.smtp_answer import SmtpAnswer, Stage, judge_answer, read_answer
from refusals import Code, Refusal

# Seconds for each step of the dialogue with the mail server.
STEP_TIMEOUT = 20.0
# Seconds for the end of the data: the server may search the mail for viruses first, and a mail that it takes after we
# have gone is sent twice.
MESSAGE_TIMEOUT = 60.0
# Seconds for the whole dialogue.
TIMEOUT = 100.0
# Seconds that a connection is kept for the next mail, short of what any server allows, and from its beginning to its
# last mail, so that a server that has moved is found.
KEPT_FOR = 5.0
LONGEST_USE = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The mail server that accepts our mails, and how we connect to it."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    # The CAs that its certificate is checked against; the system's own where it is None.
    ca: Path | None
    # Without a user there is no log-in.
    user: str
    password: str = field(repr=False)

    def describe_connection(self) -> aiosmtplib.SMTP:
        """Returns a connection that is not open yet; it reads the CAs anew."""
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            timeout=STEP_TIMEOUT,
            use_tls=self.security == "tls",
            start_tls=self.security == "starttls",
            tls_context=self._tls_context(),
            username=self.user or None,
            password=self.password or None,
        )

    def _tls_context(self) -> ssl.SSLContext | None:
        if self.security == "none":
            return None
        return ssl.create_default_context(cafile=str(self.ca) if self.ca else None)


class MailConnections:
    """The connections of one process to the mail server, each of which is kept for a moment after a mail was taken.

    RFC 5321 (3.3, 4.1.4) allows any number of mails on one. Open them with `async with MailConnections.open(…)`.
    """

    def __init__(self, server: MailServer) -> None:
        self._server = server
        # Those that wait for a mail, the last one used last, and what ends their waiting.
        self._kept: dict[aiosmtplib.SMTP, asyncio.TimerHandle] = {}
        # By the loop's clock.
        self._opened_at: dict[aiosmtplib.SMTP, float] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, server: MailServer) -> AsyncIterator[Self]:
        """Opens connections as mails need them, and closes them at the end."""
        connections = cls(server)
        try:
            yield connections
        finally:
            for connection in list(connections._kept):
                connections._let_go(connection)
            await asyncio.gather(*connections._leaving)

    async def send(self, message: bytes, *, recipient: str, sender: str) -> None:
        """Hands a message to the mail server; returns when the server has accepted it.

        Raises UndeliverableMailError where no further try can deliver this mail, MAIL_NOT_TAKEN where the server takes
        us but not this mail now, and MAIL_SERVER_UNUSABLE where it can't be reached or does not take us (greeting,
        log-in, sender). None of them contains the server's text, which often repeats the address.
        """
        stage = Stage.CONNECTION
        is_taken = is_answered = False
        connection = self._take()
        try:
            async with asyncio.timeout(TIMEOUT):
                if connection is None or not await self._begin_anew(connection, sender):
                    connection = self._server.describe_connection()
                    await connection.connect()
                    self._opened_at[connection] = asyncio.get_running_loop().time()
                    stage = Stage.SENDER
                    await connection.mail(sender)
                stage = Stage.RECIPIENT
                await connection.rcpt(recipient)
                stage = Stage.MESSAGE
                await connection.data(message, timeout=MESSAGE_TIMEOUT)
            is_taken = True
        except aiosmtplib.SMTPResponseException as error:
            is_answered = True
            raise _judge(stage, read_answer(error.code, error.message)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _refuse_server(type(error).__name__) from None
        finally:
            if connection is not None:
                if is_taken:
                    self._keep(connection)
                else:
                    self._leave(connection, says_goodbye=is_answered)

    async def _begin_anew(self, connection: aiosmtplib.SMTP, sender: str) -> bool:
        """Returns whether a connection that was kept takes a further mail.

        Where it does not, nothing of the mail was handed over yet, and what a new one answers counts: the server may
        have ended this one meanwhile, or take only so many mails on each.
        """
        try:
            await connection.mail(sender)
            return True
        except (aiosmtplib.SMTPException, OSError):
            self._leave(connection)
            return False

    def _take(self) -> aiosmtplib.SMTP | None:
        """Returns a kept connection that the server has not closed; None where a new one is needed."""
        while self._kept:
            connection, timer = self._kept.popitem()
            timer.cancel()
            if connection.is_connected:
                return connection
            self._leave(connection)
        return None

    def _keep(self, connection: aiosmtplib.SMTP) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._opened_at[connection] > LONGEST_USE:
            self._leave(connection)
        else:
            self._kept[connection] = loop.call_later(KEPT_FOR, self._let_go, connection)

    def _let_go(self, connection: aiosmtplib.SMTP) -> None:
        self._kept.pop(connection).cancel()
        self._leave(connection)

    def _leave(self, connection: aiosmtplib.SMTP, *, says_goodbye: bool = True) -> None:
        """Closes a connection; nobody waits for the server's answer to QUIT."""
        self._opened_at.pop(connection, None)
        if says_goodbye and connection.is_connected:
            leaving = asyncio.create_task(_say_goodbye(connection))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        else:
            connection.close()


async def _say_goodbye(connection: aiosmtplib.SMTP) -> None:
    try:
        await connection.quit()
    except (aiosmtplib.SMTPException, OSError):
        pass
    finally:
        connection.close()


def _judge(stage: Stage, answer: SmtpAnswer) -> UndeliverableMailError | Refusal:
    match judge_answer(stage, answer):
        case FailedTry.REFUSED:
            return UndeliverableMailError(str(answer))
        case FailedTry.SERVER_UNUSABLE:
            return _refuse_server(str(answer))
        case _:
            return Refusal("MAIL_NOT_TAKEN", Code.UNAVAILABLE, {"answer": str(answer)})


def _refuse_server(answer: str) -> Refusal:
    return Refusal("MAIL_SERVER_UNUSABLE", Code.UNAVAILABLE, {"answer": answer})
