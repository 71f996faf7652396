"""A mail, the check of the profile's templates, and composing.

Headers contain no text from persons or rosters except the recipient's address, which is parsed and compared. That is
more than a precaution: the standard library decodes an encoded word such as `=?utf-8?q?a=0D=0ABcc:_v=40w?=` in a
header's value and then writes its line break into the message (seen in Python 3.11.7).
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from uuid import UUID

from contact_notification.domain.contact import Contact
from contact_notification.domain.notice import NoticeKind
from contact_notification.domain.staging import Company
from instance_profile.characters import replace_invisible
from instance_profile.japan_time import JAPAN
from instance_profile.load import ProfileError
from instance_profile.model import MailTemplate, Profile

# Shown for a placeholder whose value is missing; never `null`.
MISSING = "―"

BODY_PLACEHOLDERS = frozenset(
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
        "holder_name",
        "help_desk_name",
        "help_desk_telephone",
        "help_desk_mail_address",
        "help_desk_url",
        "help_desk_hours",
    }
)
# Only texts of the profile.
SUBJECT_PLACEHOLDERS = frozenset({"instance", "agency", "category"})


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of the outbox with all that its text needs. `message_id` is the header's value, with its brackets.

    `recipient_name` is empty for a mail address that was sent along.
    """

    mail_id: UUID
    message_id: str
    kind: NoticeKind
    written_at: datetime
    mail_address: str
    recipient_name: str
    # The contact of the card that was registered.
    card_contact: Contact
    company: Company
    agency: str
    category: str
    registered_at: datetime
    card_serial: str
    # The holder of the card; "" where its certificate names none.
    holder_name: str


class FailedTry(StrEnum):
    """What became of a try that did not send a mail; the kinds of the metrics.

    The first three are final, the others are repeated until they have lasted too long, and then become `GIVEN_UP`.
    """

    NOT_AN_ADDRESS = "not_an_address"
    # The mail server said that no further try can deliver this mail.
    REFUSED = "refused"
    # It was tried for days.
    GIVEN_UP = "given_up"
    # The mail server took us, but not this mail now.
    PUT_OFF = "put_off"
    # The mail server could not be reached, or did not take us.
    SERVER_UNUSABLE = "server_unusable"


@dataclass(frozen=True, slots=True)
class FailedMail:
    """A mail that nobody tries to send any more. It holds no personal data.

    `answer` has the last answer's codes, or the name of an exception; it is empty where the mail was not even offered.
    """

    mail_id: UUID
    failed_at: datetime
    result: FailedTry
    answer: str
    agency: str
    category: str
    registration_id: UUID
    # Its address is no longer known where it was sent along and has been forgotten.
    has_address: bool


class UndeliverableMailError(Exception):
    """No further try can deliver this mail. `answer` has the server's codes, "" where it was not even offered."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer

    @property
    def result(self) -> FailedTry:
        """What became of the try."""
        return FailedTry.REFUSED if self.answer else FailedTry.NOT_AN_ADDRESS


def choose_sender(profile: Profile, configured: str) -> str:
    """Returns the address that mails come from: the configured one, or else the help desk's."""
    return configured or profile.help_desk.mail_address


def read_domain(address: str) -> str:
    """Returns the domain of a mail address."""
    return address.rpartition("@")[2]


def check_templates(profile: Profile, sender: str) -> None:
    """Checks the profile's mails, so that a wrong placeholder is found at start-up and not when a mail is due.

    Raises ProfileError, which names every wrong key and the mistake.
    """
    problems: list[str] = []
    for key, template in profile.mails:
        if isinstance(template, MailTemplate):
            problems += _find_wrong_placeholders(f"mails.{key}.subject", template.subject, SUBJECT_PLACEHOLDERS)
            problems += _find_wrong_placeholders(f"mails.{key}.body", template.body, BODY_PLACEHOLDERS)
            if not template.subject.isprintable():
                problems.append(f"mails.{key}.subject: a subject is one line without control characters")
    if not profile.mails.sender_name.isprintable() or "=?" in profile.mails.sender_name:
        problems.append("mails.sender_name: a name is one line without control characters and without =?")
    if not _is_address(sender):
        problems.append("help_desk.mail_address or the setting TOROKU_MAIL_SENDER: not a mail address")
    if problems:
        raise ProfileError(problems)


def compose(mail: Mail, profile: Profile, sender: str) -> EmailMessage:
    """Returns the whole message (RFC 5322; RFC 3834 for Auto-Submitted), identical in every try.

    Raises UndeliverableMailError where the recipient's address is not a mail address.
    """
    template = _template(profile, mail.kind)
    if not _is_address(mail.mail_address):
        raise UndeliverableMailError("")
    values = _placeholder_values(mail, profile)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=profile.mails.sender_name, addr_spec=sender)
    message["To"] = Address(addr_spec=mail.mail_address)
    message["Subject"] = template.subject.format_map(values)
    message["Date"] = format_datetime(mail.written_at.astimezone(JAPAN))
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(template.body.format_map(values), cte="base64")
    return message


def _template(profile: Profile, kind: NoticeKind) -> MailTemplate:
    match kind:
        case NoticeKind.REGISTRATION:
            return profile.mails.registration
        case NoticeKind.REGISTRATION_NOTICE:
            return profile.mails.registration_notice


def _placeholder_values(mail: Mail, profile: Profile) -> Mapping[str, str]:
    agencies = {agency.code: agency.name.ja for agency in profile.agencies}
    categories = {category.code: category.name.ja for category in profile.categories}
    desk = profile.help_desk
    values = {
        "instance": profile.name.ja,
        # A code that the profile no longer has is better than no mail.
        "agency": agencies.get(mail.agency, mail.agency),
        "category": categories.get(mail.category, mail.category),
        "bidder_id_label": profile.bidder_id.label.ja,
        "bidder_id": mail.company.bidder_id,
        "company_name": mail.company.full_name,
        "contact_department": mail.card_contact.department,
        "contact_name": mail.card_contact.person_name,
        "contact_address": mail.card_contact.address,
        "recipient_name": mail.recipient_name,
        "registered_at": mail.registered_at.astimezone(JAPAN).strftime("%Y/%m/%d %H:%M"),
        "card_serial": mail.card_serial,
        "holder_name": mail.holder_name,
        "help_desk_name": desk.name.ja,
        "help_desk_telephone": desk.telephone,
        "help_desk_mail_address": desk.mail_address,
        "help_desk_url": desk.url,
        "help_desk_hours": desk.hours.ja,
    }
    # On one line: a value must neither begin a line nor reverse the order of writing.
    return {name: replace_invisible(value, " ") or MISSING for name, value in values.items()}


def _is_address(address: str) -> bool:
    """Returns whether the whole text is one mail address, in ASCII."""
    if not address.isascii() or not address.isprintable():
        return False
    try:
        return Address(addr_spec=address).addr_spec == address
    # The parser raises IndexError too, for example for `a@`.
    except (ValueError, MessageError, IndexError):
        return False


def _find_wrong_placeholders(key: str, text: str, placeholders: frozenset[str]) -> Sequence[str]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        return [f"{key}: {error}; a brace that begins no placeholder is written twice"]
    return [
        f"{key}: {{{name}}} is no placeholder; there are {', '.join(sorted(placeholders))}"
        for _, name, specification, conversion in parts
        if name is not None and (name not in placeholders or specification or conversion)
    ]
