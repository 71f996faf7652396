"""A notice: what it says of an act, whom it is sent to, and which mailboxes get a mail."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contact_notification.domain.change import Purpose
from contact_notification.domain.contact import Contact
from contact_notification.domain.staging import MissingContacts, StagedRegistration, StagedState
from refusals import Code, Refusal


class NoticeKind(StrEnum):
    """What a notice says."""

    # 利用者登録のお知らせ, to the card contact.
    REGISTRATION = "registration"
    # The same news for the bidder's other contacts, who should notice a registration that is not theirs.
    REGISTRATION_NOTICE = "registration_notice"
    # With a one-time code.
    OFFICER_INVITATION = "officer_invitation"
    OFFICER_CERTIFICATE_EXPIRING = "officer_certificate_expiring"
    CARD_SUSPENDED = "card_suspended"
    CARD_RESUMED = "card_resumed"
    BIDDER_SUSPENDED = "bidder_suspended"
    BIDDER_RESUMED = "bidder_resumed"
    BINDING_UNDONE = "binding_undone"
    CARD_APPROVAL_DECIDED = "card_approval_decided"
    # Written by this service itself, in the commit of the change.
    CHANGE = "change"
    # To the new card's contact, and to the bidder's other contacts.
    RENEWAL = "renewal"
    RENEWAL_NOTICE = "renewal_notice"
    REGISTRATION_REOPENED = "registration_reopened"
    PREDECESSOR_LINKED = "predecessor_linked"


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
class CardFacts:
    """What a notice says of what an officer did to a card, as `RegistrationFacts` says it.

    `agency` is where it takes effect: `OPERATOR` for the whole instance.
    """

    certificate_sha256: bytes
    card_serial: str
    agency: str
    category: str
    bidder_id: str
    happened_at: datetime
    holder_name: str


@dataclass(frozen=True, slots=True)
class BidderFacts:
    """What a notice says of what an officer did to a bidder; `agency` as in `CardFacts`."""

    agency: str
    category: str
    bidder_id: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class OfficerFacts:
    """What a notice says to an officer of an agency or of `OPERATOR`: until when invitation or certificate is good."""

    agency: str
    person_id: str
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class CardApprovalFacts:
    """What a notice says of an officer's decision on a card, by the number under which it was asked for."""

    approval_number: str
    is_approved: bool
    agency: str
    category: str
    bidder_id: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What a notice says of a change of contacts: by which card, and which fields, by name and never by value.

    `propagate`: the other agencies follow.
    """

    certificate_sha256: bytes
    card_serial: str
    agency: str
    category: str
    bidder_id: str
    happened_at: datetime
    holder_name: str
    changed_fields: tuple[str, ...]
    propagate: bool


@dataclass(frozen=True, slots=True)
class RenewalFacts:
    """What a notice says of a renewal, or of one that was taken back: the new card, and the old one."""

    registration_id: UUID
    renewal_request_id: UUID
    certificate_sha256: bytes
    old_certificate_sha256: bytes
    card_serial: str
    old_card_serial: str
    agency: str
    category: str
    bidder_id: str
    happened_at: datetime
    holder_name: str
    propagate: bool


Facts = RegistrationFacts | CardFacts | BidderFacts | OfficerFacts | CardApprovalFacts | ChangeFacts | RenewalFacts

FACTS_OF: Mapping[NoticeKind, type[Facts]] = {
    NoticeKind.REGISTRATION: RegistrationFacts,
    NoticeKind.REGISTRATION_NOTICE: RegistrationFacts,
    NoticeKind.OFFICER_INVITATION: OfficerFacts,
    NoticeKind.OFFICER_CERTIFICATE_EXPIRING: OfficerFacts,
    NoticeKind.CARD_SUSPENDED: CardFacts,
    NoticeKind.CARD_RESUMED: CardFacts,
    NoticeKind.BIDDER_SUSPENDED: BidderFacts,
    NoticeKind.BIDDER_RESUMED: BidderFacts,
    NoticeKind.BINDING_UNDONE: CardFacts,
    NoticeKind.CARD_APPROVAL_DECIDED: CardApprovalFacts,
    NoticeKind.CHANGE: ChangeFacts,
    NoticeKind.RENEWAL: RenewalFacts,
    NoticeKind.RENEWAL_NOTICE: RenewalFacts,
    NoticeKind.REGISTRATION_REOPENED: RenewalFacts,
    NoticeKind.PREDECESSOR_LINKED: CardFacts,
}
# Those that the mailbox of the card's own contact does not get, for which there is a mail of its own (REG-10).
NOTICES_TO_OTHERS = frozenset({NoticeKind.REGISTRATION_NOTICE, NoticeKind.RENEWAL_NOTICE})

# The kinds whose mail has a sealed secret.
SECRET_KINDS = frozenset({NoticeKind.OFFICER_INVITATION})


@dataclass(frozen=True, slots=True)
class ActEntry:
    """The act's entry in the history of a registry; without position, head and proof while it is not sealed.

    `proof` is of `history.receipt_text`.
    """

    registry: str
    digest: bytes
    position: int | None
    head_number: int | None
    head_sha256: bytes | None
    proof: bytes | None = None


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
class BidderContacts:
    """All contacts of a bidder in a category: the representative contact, and those of its live cards."""

    bidder_id: str
    category: str


@dataclass(frozen=True, slots=True)
class MailAddress:
    """The mail address of a person who owns no contact, and the person's name; "" where it is not known."""

    address: str
    name: str = ""


Recipient = CardOwner | BidderOwner | BidderContacts | MailAddress


@dataclass(frozen=True, slots=True)
class Shown:
    """What mails show besides, where nothing was staged for their act: the card's contact, and the company's name."""

    card_contact_id: UUID | None
    company_name: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as its producer sends it. `sealed_secret` is what its one mail has to tell besides.

    Of a change or a renewal, what is `shown`; `history_number` is the act's entry in our own history.
    """

    notice_id: UUID
    kind: NoticeKind
    facts: Facts
    recipients: tuple[Recipient, ...]
    entry: ActEntry | None = None
    sealed_secret: bytes | None = field(default=None, repr=False)
    shown: Shown | None = None
    history_number: int | None = None

    @property
    def request(self) -> tuple[bytes, UUID] | None:
        """The card and the request id under which the contacts were staged that its mails show, of a registration."""
        if isinstance(self.facts, RegistrationFacts):
            return self.facts.certificate_sha256, self.facts.request_id
        return None


@dataclass(frozen=True, slots=True)
class Addressee:
    """A mailbox that may get a mail; `contact_id` is None for a mail address that was sent along, with its `name`."""

    contact_id: UUID | None
    mail_address: str
    name: str = ""


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

    A representative contact has no card of its own: its version is one that the notice's card brought. The mails of a
    renewal go to the newest.
    """
    if isinstance(recipient, MailAddress | BidderContacts) or isinstance(notice.facts, RenewalFacts):
        return None
    if recipient.request_id is None:
        return None
    if isinstance(recipient, CardOwner):
        return recipient.certificate_sha256, recipient.request_id
    if isinstance(notice.facts, RegistrationFacts | CardFacts):
        return notice.facts.certificate_sha256, recipient.request_id
    return None


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


def hide_holder(facts: Facts) -> Facts:
    """Returns the facts without the name of the card's holder, as an erasure leaves them."""
    named = RegistrationFacts | CardFacts | ChangeFacts | RenewalFacts
    return replace(facts, holder_name="") if isinstance(facts, named) else facts


def check_secret(notice: Notice) -> None:
    """Raises NOTICE_INVALID unless exactly the kinds with a secret have one, for one address that was sent along."""
    if (notice.kind in SECRET_KINDS) != (notice.sealed_secret is not None):
        raise refuse_notice("sealed_secret")
    if notice.sealed_secret is not None and [type(recipient) for recipient in notice.recipients] != [MailAddress]:
        raise refuse_notice("recipients")


def choose_mailboxes(
    kind: NoticeKind, card_address: str | None, addressees: Iterable[Addressee]
) -> Sequence[Addressee]:
    """Returns who gets a mail (REG-07): the first of each mailbox.

    `card_address` is the mail address of the contact of the card that was registered, None for other acts. Its mailbox
    gets the mail of its registration or renewal and so no notice of it (REG-10). Domains are compared without regard to
    case, the part before the @ exactly.
    """
    mailboxes: set[str] = set()
    if kind in NOTICES_TO_OTHERS and card_address is not None:
        mailboxes.add(_mailbox(card_address))
    chosen: list[Addressee] = []
    for addressee in addressees:
        mailbox = _mailbox(addressee.mail_address)
        if mailbox not in mailboxes:
            mailboxes.add(mailbox)
            chosen.append(addressee)
    return chosen


def choose_changed_mailboxes(
    before: Mapping[Purpose, tuple[UUID, Contact]], after: Mapping[Purpose, tuple[UUID, Contact]]
) -> Sequence[Addressee]:
    """Returns who gets the mail of a change (CHG-01), each contact with its id; the first of each mailbox.

    The card's contact as it is now, and the old and the new mailbox of each contact whose mail address changed.
    """
    contacts = [after[Purpose.CARD]] if Purpose.CARD in after else []
    for purpose, new in after.items():
        old = before.get(purpose)
        if old is not None and old[1].mail_address == new[1].mail_address:
            continue
        contacts += [new] if old is None else [old, new]
    addressees = [Addressee(contact_id, contact.mail_address) for contact_id, contact in contacts]
    return choose_mailboxes(NoticeKind.CHANGE, None, addressees)


def refuse_notice(part: str) -> Refusal:
    """Returns the refusal of a notice of which a part is missing or malformed, or belongs to another notice."""
    return Refusal("NOTICE_INVALID", Code.INVALID_ARGUMENT, {"part": part})


def _mailbox(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return local + at + domain.lower()
