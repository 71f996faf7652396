"""A notice: what it says of an act, whom it is sent to, and which mailboxes get a mail."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contact_notification.domain.staging import MissingContacts, StagedRegistration, StagedState
from refusals import Code, Refusal


class NoticeKind(StrEnum):
    """What a notice says; by the profile's names of mails."""

    # 利用者登録のお知らせ, to the card contact.
    REGISTRATION = "registration"
    # The same news for the bidder's other contacts, who should notice a registration that is not theirs.
    REGISTRATION_NOTICE = "registration_notice"


class NoticeState(StrEnum):
    """How far a notice has come."""

    # Its contacts are still pending.
    WAITING = "waiting"
    # Its mails are in the outbox.
    WRITTEN = "written"
    # The card signed other contacts than those that it waited for: it has no mails.
    WITHOUT_CONTACTS = "without_contacts"


@dataclass(frozen=True, slots=True)
class RegistrationFacts:
    """What a notice says of a registration. `certificate_sha256` has 32 bytes.

    `holder_name` is the holder of the card, "" where its certificate names none.
    """

    registration_id: UUID
    request_id: UUID
    certificate_sha256: bytes
    card_serial: str
    agency: str
    category: str
    bidder_id: str
    registered_at: datetime
    holder_name: str


@dataclass(frozen=True, slots=True)
class CardOwner:
    """The owner of a card contact. Without a request id the newest version is meant."""

    certificate_sha256: bytes
    category: str
    request_id: UUID | None


@dataclass(frozen=True, slots=True)
class BidderOwner:
    """The owner of a representative contact. A request id is one of the card that the notice is about."""

    bidder_id: str
    category: str
    request_id: UUID | None


@dataclass(frozen=True, slots=True)
class MailAddress:
    """The mail address of a person who owns no contact."""

    address: str


Recipient = CardOwner | BidderOwner | MailAddress


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as its producer sends it."""

    notice_id: UUID
    kind: NoticeKind
    facts: RegistrationFacts
    recipients: tuple[Recipient, ...]

    @property
    def request(self) -> tuple[bytes, UUID]:
        """The card and the request id under which the contacts were staged that its mails show."""
        return self.facts.certificate_sha256, self.facts.request_id


@dataclass(frozen=True, slots=True)
class Addressee:
    """A mailbox that may get a mail; `contact_id` is None for a mail address that was sent along."""

    contact_id: UUID | None
    mail_address: str


def find_missing(staged: StagedRegistration | None, facts: RegistrationFacts) -> MissingContacts | None:
    """Returns why a notice has no contacts to show; None where those of its registration are staged."""
    if staged is None:
        return MissingContacts.NOT_STAGED
    told = (facts.agency, facts.category, facts.bidder_id)
    if staged.state is StagedState.NOT_SIGNED or told != (staged.agency, staged.category, staged.company.bidder_id):
        return MissingContacts.NOT_SIGNED
    return None


def name_act(recipient: Recipient, notice: Notice) -> tuple[bytes, UUID] | None:
    """Returns the act that brought the version meant (card and request id); None where it is not a version of an act.

    A representative contact has no card of its own: its version is one that the notice's card brought.
    """
    if isinstance(recipient, MailAddress) or recipient.request_id is None:
        return None
    card = recipient.certificate_sha256 if isinstance(recipient, CardOwner) else notice.facts.certificate_sha256
    return card, recipient.request_id


def choose_version(owner: Recipient, staged: StagedRegistration | None) -> UUID | None:
    """Returns the contact that an act brought for its owner.

    None where the act is pending, unknown or another's, or where the card signed other contacts.
    """
    if staged is None or staged.state in (StagedState.PENDING, StagedState.NOT_SIGNED):
        return None
    if isinstance(owner, CardOwner):
        return staged.card_contact_id if owner.category == staged.category else None
    if isinstance(owner, BidderOwner) and (owner.bidder_id, owner.category) == (
        staged.company.bidder_id,
        staged.category,
    ):
        return staged.representative_contact_id
    return None


def divide_notices(notices: Iterable[Notice], most_recipients: int) -> Iterator[Sequence[Notice]]:
    """Divides notices into parts of at most so many recipients; a notice with more is a part by itself."""
    part: list[Notice] = []
    recipients = 0
    for notice in notices:
        if part and recipients + len(notice.recipients) > most_recipients:
            yield part
            part, recipients = [], 0
        part.append(notice)
        recipients += len(notice.recipients)
    if part:
        yield part


def choose_mailboxes(kind: NoticeKind, card_address: str, addressees: Iterable[Addressee]) -> Sequence[Addressee]:
    """Returns who gets a mail (REG-07): the first of each mailbox.

    `card_address` is the mail address of the card's own contact, whose mailbox gets the mail of its registration and so
    no notice of it (REG-10). Domains are compared without regard to case, the part before the @ exactly.
    """
    mailboxes = {_mailbox(card_address)} if kind is NoticeKind.REGISTRATION_NOTICE else set()
    chosen: list[Addressee] = []
    for addressee in addressees:
        mailbox = _mailbox(addressee.mail_address)
        if mailbox not in mailboxes:
            mailboxes.add(mailbox)
            chosen.append(addressee)
    return chosen


def refuse_notice(part: str) -> Refusal:
    """Returns the refusal of a notice of which a part is missing or malformed, or belongs to another notice."""
    return Refusal("NOTICE_INVALID", Code.INVALID_ARGUMENT, {"part": part})


def _mailbox(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return local + at + domain.lower()
