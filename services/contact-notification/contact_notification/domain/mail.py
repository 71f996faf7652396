"""Writes the mails of the profile and gives them to the mail server.

No header ever holds a text that a person or a roster gave, but for the recipient's address, and that is parsed and
compared. This is more than a precaution: the standard library decodes an encoded word such as
`=?utf-8?q?a=0D=0ABcc:_v=40w?=` in a header's value and then writes its line break out (seen in Python 3.11.7).
"""

import ssl
import string
import unicodedata
from collections.abc import Mapping, Sequence
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import aiosmtplib

from contact_notification.domain import Mail, MailKind
from contact_notification.settings import Settings
from instance_profile.load import ProfileError
from instance_profile.model import MailTemplate, Profile
from refusals import Code, Refusal

JAPAN = ZoneInfo("Asia/Tokyo")
# Seconds for each step of the talk with the mail server.
SMTP_TIMEOUT = 20.0
# What a place shows whose value is missing; never `null`.
MISSING = "―"

# The places that a body may have.
BODY_PLACES = frozenset(
    {
        "instance",
        "agency",
        "category",
        "bidder_id_label",
        "bidder_id",
        "company_name",
        "contact_department",
        "contact_name",
        "contact_address",
        "recipient_name",
        "registered_at",
        "card_serial",
        "help_desk_name",
        "help_desk_telephone",
        "help_desk_mail_address",
        "help_desk_url",
        "help_desk_hours",
    }
)
# The places that a subject may have: the profile's own words only.
SUBJECT_PLACES = frozenset({"instance", "agency", "category"})


class MailNotDeliverable(Exception):
    """No further try can bring this mail. `smtp_code` is the server's reply, None where it could not be offered."""

    def __init__(self, smtp_code: int | None) -> None:
        super().__init__(smtp_code)
        self.smtp_code = smtp_code


def check_mails(profile: Profile, sender: str) -> None:
    """Looks at all of the profile's mails, so that a wrong place in a text is found when the service starts and not
    when a mail is due. Raises ProfileError, which names the keys and what is wrong there."""
    problems: list[str] = []
    for key, template in profile.mails:
        if isinstance(template, MailTemplate):
            problems += _wrong_places(f"mails.{key}.subject", template.subject, SUBJECT_PLACES)
            problems += _wrong_places(f"mails.{key}.body", template.body, BODY_PLACES)
            if not template.subject.isprintable():
                problems.append(f"mails.{key}.subject: a subject is one line without control characters")
    if not profile.mails.sender_name.isprintable() or "=?" in profile.mails.sender_name:
        problems.append("mails.sender_name: a name is one line without control characters and without =?")
    if not _is_address(sender):
        problems.append("help_desk.mail_address or the setting TOROKU_MAIL_SENDER: not a mail address")
    if problems:
        raise ProfileError(problems)


def sender_address(profile: Profile, configured: str) -> str:
    """The address that mails come from: the configured one, or else the help desk's."""
    return configured or profile.help_desk.mail_address


def domain_of(address: str) -> str:
    """The domain of a mail address."""
    return address.rpartition("@")[2]


def write(mail: Mail, profile: Profile, sender: str) -> EmailMessage:
    """The whole message (RFC 5322, RFC 3834 for Auto-Submitted), the same in every try.

    Raises MailNotDeliverable where the recipient's address is none.
    """
    template = _template(profile, mail.kind)
    if not _is_address(mail.recipient.mail_address):
        raise MailNotDeliverable(None)
    values = _values(mail, profile)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=profile.mails.sender_name, addr_spec=sender)
    message["To"] = Address(addr_spec=mail.recipient.mail_address)
    message["Subject"] = template.subject.format_map(values)
    message["Date"] = format_datetime(mail.written_at.astimezone(JAPAN))
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(template.body.format_map(values), cte="base64")
    return message


async def send(message: EmailMessage, recipient: str, sender: str, settings: Settings) -> None:
    """Gives a message to the mail server; returns when the server has taken it.

    Raises MailNotDeliverable where the server refuses this recipient or this message for good (5xx), and Refusal
    MAIL_NOT_TAKEN where a later try may succeed: it can't be reached, answers 4xx, or refuses *us* (greeting, log-in,
    sender), for that is a fault of the configuration and must not cost a mail. Neither carries the server's text,
    which often repeats the address.
    """
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        timeout=SMTP_TIMEOUT,
        use_tls=settings.smtp_security == "tls",
        start_tls=settings.smtp_security == "starttls",
        tls_context=_tls(settings),
        username=settings.smtp_user or None,
        password=settings.smtp_password.get_secret_value() or None,
    )
    try:
        async with client:
            await client.sendmail(sender, [recipient], message.as_bytes())
    except aiosmtplib.SMTPRecipientsRefused as refused:
        raise _judge(refused.recipients[0].code) from None
    except aiosmtplib.SMTPDataError as refused:
        raise _judge(refused.code) from None
    except aiosmtplib.SMTPResponseException as refused:
        raise _later(str(refused.code)) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _later(type(error).__name__) from None


def _judge(code: int) -> MailNotDeliverable | Refusal:
    return MailNotDeliverable(code) if 500 <= code <= 599 else _later(str(code))


def _later(answer: str) -> Refusal:
    return Refusal("MAIL_NOT_TAKEN", Code.UNAVAILABLE, {"answer": answer})


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.smtp_security == "none":
        return None
    return ssl.create_default_context(cafile=str(settings.smtp_ca) if settings.smtp_ca else None)


def _template(profile: Profile, kind: MailKind) -> MailTemplate:
    match kind:
        case MailKind.REGISTRATION:
            return profile.mails.registration
        case MailKind.REGISTRATION_NOTICE:
            return profile.mails.registration_notice


def _values(mail: Mail, profile: Profile) -> Mapping[str, str]:
    agencies = {agency.code: agency.name.ja for agency in profile.agencies}
    categories = {category.code: category.name.ja for category in profile.categories}
    desk = profile.help_desk
    values = {
        "instance": profile.name.ja,
        # A code that the profile does not know any more is better than no mail.
        "agency": agencies.get(mail.agency, mail.agency),
        "category": categories.get(mail.category, mail.category),
        "bidder_id_label": profile.bidder_id.label.ja,
        "bidder_id": mail.company.bidder_id,
        "company_name": mail.company.name,
        "contact_department": mail.card_contact.department,
        "contact_name": mail.card_contact.person_name,
        "contact_address": mail.card_contact.address,
        "recipient_name": mail.recipient.person_name,
        "registered_at": mail.registered_at.astimezone(JAPAN).strftime("%Y/%m/%d %H:%M"),
        "card_serial": mail.card_serial,
        "help_desk_name": desk.name.ja,
        "help_desk_telephone": desk.telephone,
        "help_desk_mail_address": desk.mail_address,
        "help_desk_url": desk.url,
        "help_desk_hours": desk.hours.ja,
    }
    return {place: _one_line(value) or MISSING for place, value in values.items()}


def _one_line(value: str) -> str:
    """The value without anything that could begin a line of its own or turn the direction of writing."""
    return "".join(
        " " if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} else character for character in value
    )


def _is_address(address: str) -> bool:
    """Whether the address is one address, all of it, in ASCII."""
    if not address.isascii() or not address.isprintable():
        return False
    try:
        return Address(addr_spec=address).addr_spec == address
    # The parser raises IndexError too, for example for `a@`.
    except (ValueError, MessageError, IndexError):
        return False


def _wrong_places(key: str, text: str, known: frozenset[str]) -> Sequence[str]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        return [f"{key}: {error}; a brace that is no place is written twice"]
    return [
        f"{key}: {{{place}}} is no place; there are {', '.join(sorted(known))}"
        for _, place, specification, conversion in parts
        if place is not None and (place not in known or specification or conversion)
    ]
