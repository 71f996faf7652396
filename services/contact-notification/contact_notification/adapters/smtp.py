"""The mail server, over SMTP."""

import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

import aiosmtplib

from contact_notification.domain.mail import UndeliverableMailError
from refusals import Code, Refusal

# Seconds for each step of the dialogue with the mail server.
STEP_TIMEOUT = 20.0


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

        Raises UndeliverableMailError where the server refuses this recipient or this message permanently (5xx), and
        MAIL_NOT_TAKEN where a later try may succeed: the server can't be reached, answers 4xx, or refuses *us*
        (greeting, log-in, sender), which is an error of the configuration and must not cost a mail. Neither contains
        the server's text, which often repeats the address.
        """
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
            async with client:
                await client.sendmail(sender, [recipient], message.as_bytes())
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _judge_code(error.recipients[0].code) from None
        except aiosmtplib.SMTPDataError as error:
            raise _judge_code(error.code) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refuse_not_taken(str(error.code)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _refuse_not_taken(type(error).__name__) from None

    def _tls_context(self) -> ssl.SSLContext | None:
        if self.security == "none":
            return None
        return ssl.create_default_context(cafile=str(self.ca) if self.ca else None)


def _judge_code(code: int) -> UndeliverableMailError | Refusal:
    return UndeliverableMailError(code) if 500 <= code <= 599 else _refuse_not_taken(str(code))


def _refuse_not_taken(answer: str) -> Refusal:
    return Refusal("MAIL_NOT_TAKEN", Code.UNAVAILABLE, {"answer": answer})
