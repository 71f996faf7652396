"""A mail, the check of the profile's templates, and composing.

Headers contain no text from persons or rosters except the recipient's address, which is parsed and compared. That is
more than a precaution: the standard library decodes an encoded word such as `=?utf-8?q?a=0D=0ABcc:_v=40w?=` in a
header's value and then writes its line break into the message (seen in Python 3.11.7).
"""

import string
from base64 import encodebytes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from contact_notification.domain.contact import Contact
from contact_notification.domain.mail_records import append_record
from contact_notification.domain.neutral_mails import NEUTRAL_MAILS
from contact_notification.domain.notice import (
    ActEntry,
    CardApprovalFacts,
    ChangeFacts,
    Facts,
    NoticeKind,
    OfficerFacts,
    RenewalFacts,
)
from history.receipt_text import write_lines
from instance_profile.base import OPERATOR
from instance_profile.characters import replace_invisible
from instance_profile.japan_time import JAPAN
from instance_profile.load import ProfileError
from instance_profile.model import Mails, MailTemplate, Profile, Propagation

# Shown for a placeholder whose value is missing; never `null`.
MISSING = "―"
# What the operator is called as an officer's agency, and as the place where an act takes effect.
OPERATORS_OFFICE = "システム運用担当"
ALL_AGENCIES = "すべての調達機関"
# What becomes of the other agencies at a change or a renewal.
_FOLLOW = "自動反映します"
_FOLLOW_BY_NIGHT = {
    ChangeFacts: "夜間に自動反映します（それまでは、変更前の連絡先が使用されます）",
    RenewalFacts: "夜間に自動反映します（それまでは、以前のICカードを使用します）",
}
_DO_NOT_FOLLOW = "自動反映しません"

_COMMON = frozenset(
    {
        "instance",
        "recipient_name",
        "help_desk_name",
        "help_desk_telephone",
        "help_desk_mail_address",
        "help_desk_url",
        "help_desk_hours",
    }
)
_OFFICER = _COMMON | {"agency", "person_id", "valid_until"}
_ACT = _COMMON | {
    "agency",
    "office",
    "category",
    "bidder_id_label",
    "bidder_id",
    "happened_at",
    "entry_position",
    "entry_digest",
    "entry_head",
    "entry_proof",
}
_CARD = _ACT | {"card_serial", "holder_name"}
_APPROVAL = _ACT | {"approval_number"}
_REGISTRATION = (_CARD - {"office", "happened_at"}) | {
    "company_name",
    "contact_department",
    "contact_name",
    "contact_address",
    "registered_at",
}
_CHANGE = _REGISTRATION | {"happened_at", "changed_fields", "other_agencies"}
_RENEWAL = _REGISTRATION | {"happened_at", "old_card_serial", "other_agencies"}
# By the profile's names of mails.
BODY_PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "registration": _REGISTRATION,
    "registration_notice": _REGISTRATION,
    "change": _CHANGE,
    "renewal": _RENEWAL,
    "renewal_notice": _RENEWAL,
    "registration_reopened": _RENEWAL | {"office"},
    "predecessor_linked": _CARD,
    "officer_invitation": _OFFICER | {"code"},
    "officer_certificate_expiring": _OFFICER,
    "card_suspended": _CARD,
    "card_resumed": _CARD,
    "bidder_suspended": _ACT,
    "bidder_resumed": _ACT,
    "binding_undone": _CARD,
    "card_approved": _APPROVAL,
    "card_refused": _APPROVAL,
}
# Only texts of the profile, of those that the body may have.
SUBJECT_PLACEHOLDERS = frozenset({"instance", "agency", "category"})


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of the outbox with all that its text needs. `message_id` is the header's value, with its brackets.

    `recipient_name` is empty for a mail address that was sent along without a name.
    """

    mail_id: UUID
    notice_id: UUID
    message_id: str
    kind: NoticeKind
    written_at: datetime
    mail_address: str
    recipient_name: str
    facts: Facts
    entry: ActEntry | None
    # Of a registration, a change or a renewal: the contact of its card, and the company; "" where it is not known.
    card_contact: Contact | None
    company_name: str
    # The act's entry in our own history.
    history_number: int | None
    # What it has to tell besides, as its producer sealed it.
    sealed_secret: bytes | None = field(repr=False)


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
    # What the mail has to tell was sealed with another key than ours.
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105  # no secret


@dataclass(frozen=True, slots=True)
class FailedMail:
    """A mail that nobody tries to send any more. It holds no personal data.

    `answer` has the last answer's codes, or the name of an exception; it is empty where the mail was not even offered.
    """

    mail_id: UUID
    failed_at: datetime
    result: FailedTry
    answer: str
    kind: NoticeKind
    agency: str
    # None where the notice is about none.
    category: str | None
    registration_id: UUID | None
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
            in_body = BODY_PLACEHOLDERS[key]
            in_subject = SUBJECT_PLACEHOLDERS & in_body
            problems += _find_wrong_placeholders(f"mails.{key}.subject", template.subject, in_subject)
            problems += _find_wrong_placeholders(f"mails.{key}.body", template.body, in_body)
            if not template.subject.isprintable():
                problems.append(f"mails.{key}.subject: a subject is one line without control characters")
    if not profile.mails.sender_name.isprintable() or "=?" in profile.mails.sender_name:
        problems.append("mails.sender_name: a name is one line without control characters and without =?")
    if not _is_address(sender):
        problems.append("help_desk.mail_address or the setting TOROKU_MAIL_SENDER: not a mail address")
    if problems:
        raise ProfileError(problems)


def compose(mail: Mail, profile: Profile, sender: str, *, code: str = "") -> bytes:
    """Returns the whole message (RFC 5322; RFC 3834 for Auto-Submitted), identical in every try.

    `code` is the secret of a kind that has one.
    Raises UndeliverableMailError where the recipient's address is not a mail address.
    """
    template = _find_template(profile, mail)
    if not _is_address(mail.mail_address):
        raise UndeliverableMailError("")
    values = _placeholder_values(mail, profile, code)
    # Atoms of ASCII, which nothing has to encode or fold.
    own_headers = (
        f"To: {mail.mail_address}\r\n"
        f"Date: {format_datetime(mail.written_at.astimezone(JAPAN))}\r\n"
        f"Message-ID: {mail.message_id}\r\n\r\n"
    )
    common_headers = _write_common_headers(profile.mails.sender_name, sender, template.subject.format_map(values))
    body = append_record(mail, template.body).format_map(values)
    return common_headers + own_headers.encode("ascii") + _encode_text(body)


# An instance has a subject for each kind, agency and category at most.
@lru_cache(maxsize=1_000)
def _write_common_headers(sender_name: str, sender: str, subject: str) -> bytes:
    """Returns the headers that the mails of a subject have in common; writing them takes longer than all the rest."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=sender_name, addr_spec=sender)
    message["Subject"] = subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("", cte="base64")
    headers, end, _ = message.as_bytes().partition(b"\r\n\r\n")
    return headers + end[:2]


def _encode_text(text: str) -> bytes:
    """Returns a text in UTF-8 and base64, as the headers say."""
    lines = text.encode().splitlines()
    return encodebytes(b"\r\n".join([*lines, b""])).replace(b"\n", b"\r\n")


def _find_template(profile: Profile, mail: Mail) -> MailTemplate:
    """Returns the profile's template, or else the neutral one."""
    name = str(mail.kind)
    if isinstance(mail.facts, CardApprovalFacts):
        name = "card_approved" if mail.facts.is_approved else "card_refused"
    return _list_templates(profile.mails)[name] or NEUTRAL_MAILS[name]


def _list_templates(mails: Mails) -> Mapping[str, MailTemplate | None]:
    return {
        "registration": mails.registration,
        "registration_notice": mails.registration_notice,
        "change": mails.change,
        "renewal": mails.renewal,
        "renewal_notice": mails.renewal_notice,
        "registration_reopened": mails.registration_reopened,
        "predecessor_linked": mails.predecessor_linked,
        "officer_invitation": mails.officer_invitation,
        "officer_certificate_expiring": mails.officer_certificate_expiring,
        "card_suspended": mails.card_suspended,
        "card_resumed": mails.card_resumed,
        "bidder_suspended": mails.bidder_suspended,
        "bidder_resumed": mails.bidder_resumed,
        "binding_undone": mails.binding_undone,
        "card_approved": mails.card_approved,
        "card_refused": mails.card_refused,
    }


def _placeholder_values(mail: Mail, profile: Profile, code: str) -> Mapping[str, str]:
    desk = profile.help_desk
    values = {
        "instance": profile.name.ja,
        "recipient_name": mail.recipient_name or "ご担当者",
        "bidder_id_label": profile.bidder_id.label.ja,
        "help_desk_name": desk.name.ja,
        "help_desk_telephone": desk.telephone,
        "help_desk_mail_address": desk.mail_address,
        "help_desk_url": desk.url,
        "help_desk_hours": desk.hours.ja,
        "code": code,
        "company_name": mail.company_name,
        "contact_department": mail.card_contact.department if mail.card_contact is not None else "",
        "contact_name": mail.card_contact.person_name if mail.card_contact is not None else "",
        "contact_address": mail.card_contact.address if mail.card_contact is not None else "",
        **_describe_facts(mail.facts, profile),
        **_describe_entry(mail.entry),
    }
    # On one line: a value must neither begin a line nor reverse the order of writing. The lines of a proof are our own.
    shown = {name: replace_invisible(value, " ") or MISSING for name, value in values.items()}
    return shown | {"entry_proof": _write_proof(mail.entry)}


def _describe_facts(facts: Facts, profile: Profile) -> Mapping[str, str]:
    """Returns the facts by their names as they are shown; names for codes, and times of Japan."""
    agencies = {agency.code: agency.name.ja for agency in profile.agencies}
    categories = {category.code: category.name.ja for category in profile.categories}
    values = {
        fact.name: value.astimezone(JAPAN).strftime("%Y/%m/%d %H:%M") if isinstance(value, datetime) else value
        for fact in fields(facts)
        if isinstance(value := getattr(facts, fact.name), str | datetime)
    }
    # A code that the profile no longer has is better than no mail.
    values["agency"] = agencies.get(facts.agency, facts.agency)
    values["office"] = f"{values['agency']}の担当者"
    if facts.agency == OPERATOR:
        values["agency"] = OPERATORS_OFFICE if isinstance(facts, OfficerFacts) else ALL_AGENCIES
        values["office"] = profile.help_desk.name.ja
    if not isinstance(facts, OfficerFacts):
        values["category"] = categories.get(facts.category, facts.category)
    if isinstance(facts, ChangeFacts | RenewalFacts):
        values["registered_at"] = values["happened_at"]
        values["other_agencies"] = _DO_NOT_FOLLOW
        if facts.propagate:
            is_by_night = profile.propagation is Propagation.NIGHT
            values["other_agencies"] = _FOLLOW_BY_NIGHT[type(facts)] if is_by_night else _FOLLOW
    if isinstance(facts, ChangeFacts):
        names = _list_field_names(profile, facts.category)
        values["changed_fields"] = "、".join(names.get(name, name) for name in facts.changed_fields)
    return values


def _list_field_names(profile: Profile, category: str) -> Mapping[str, str]:
    """Returns what the fields of a category's contacts are called, by the names of changed fields."""
    return {
        f"{section.section}_contact.{rule.field}": f"{section.heading.ja}の{rule.label.ja}"
        for known in profile.categories
        if known.code == category
        for section in known.contact_sections
        for rule in known.contact_fields
    }


def _describe_entry(entry: ActEntry | None) -> Mapping[str, str]:
    """Returns how the entry of the act is shown: what is missing is not sealed yet."""
    if entry is None:
        return {"entry_position": "", "entry_digest": "", "entry_head": ""}
    is_sealed = entry.head_sha256 is not None
    return {
        "entry_position": f"{entry.position}（{entry.registry}）" if is_sealed else "",
        "entry_digest": entry.digest.hex(),
        "entry_head": f"{entry.head_number}（{(entry.head_sha256 or b'').hex()}）" if is_sealed else "",
    }


def _write_proof(entry: ActEntry | None) -> str:
    """Returns the lines of an entry's proof, which begin on a line of their own."""
    if entry is None or entry.proof is None:
        return MISSING
    return f"\n{write_lines(entry.proof)}"


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
