"""The mail server, over SMTP."""

import asyncio
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

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

    async def send(self, message: EmailMessage, *, recipient: str, sender: str) -> None:
        """Hands a message to the mail server; returns when the server has accepted it.

        Raises UndeliverableMailError where no further try can deliver this mail, MAIL_NOT_TAKEN where the server takes
        us but not this mail now, and MAIL_SERVER_UNUSABLE where it can't be reached or does not take us (greeting,
        log-in, sender). None of them contains the server's text, which often repeats the address.
        """
        stage = Stage.CONNECTION
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            timeout=STEP_TIMEOUT,
            use_tls=self.security == "tls",
            start_tls=self.security == "starttls",
            tls_context=self._tls_context(),
            username=self.user or None,
            password=self.password or None,
        )
        try:
            async with asyncio.timeout(TIMEOUT), client:
                stage = Stage.SENDER
                await client.mail(sender)
                stage = Stage.RECIPIENT
                await client.rcpt(recipient)
                stage = Stage.MESSAGE
                await client.data(message.as_bytes(), timeout=MESSAGE_TIMEOUT)
        except aiosmtplib.SMTPResponseException as error:
            raise _judge(stage, read_answer(error.code, error.message)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _refuse_server(type(error).__name__) from None

    def _tls_context(self) -> ssl.SSLContext | None:
        if self.security == "none":
            return None
        return ssl.create_default_context(cafile=str(self.ca) if self.ca else None)


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
