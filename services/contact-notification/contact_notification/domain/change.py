"""変更: what is registered, new contacts for it, and what they change (CHG-01 to CHG-05)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from contact_notification.domain.act_proof import ActStatement
from contact_notification.domain.contact import Contact, ContactForm
from contact_notification.domain.pins import Pin
from contact_notification.domain.staging import Company
from instance_profile.field_rules import check_contact, refuse_violations
from instance_profile.hours import format_instant_en, format_instant_ja
from instance_profile.model import Category
from refusals import Code, Refusal, Violation

# The versions of an owner count from instants that ascend, also where two acts fall into one.
_NEXT_INSTANT = timedelta(microseconds=1)


class Purpose(StrEnum):
    """What a contact is for (REG-10)."""

    # ICカード利用部署情報, of a card.
    CARD = "card"
    # 代表窓口情報, of a bidder.
    REPRESENTATIVE = "representative"

    @property
    def section(self) -> str:
        """The form's section, by which fields are named: `card_contact.telephone`."""
        return f"{self}_contact"


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """The newest version of an owner's contact; `brought_by` is the card whose act brought it (SHA-256, 32 bytes)."""

    owner_id: UUID
    contact_id: UUID
    contact: Contact
    version: int
    counts_from: datetime
    brought_by: bytes
    # Of the agencies at which an earlier version counts.
    pins: Mapping[str, Pin]


# By purpose; an owner that has no contact is missing.
Registered = Mapping[Purpose, RegisteredVersion]


@dataclass(frozen=True, slots=True)
class TypedContact:
    """A contact in full, as it was typed over a version; 0 where there was none."""

    form: ContactForm
    version: int


@dataclass(frozen=True, slots=True)
class ContactChange:
    """Whose contacts change, at which agency, and what was typed; a purpose that stays as it is is missing."""

    certificate_sha256: bytes
    agency: str
    category: str
    bidder_id: str
    typed: Mapping[Purpose, TypedContact]


@dataclass(frozen=True, slots=True)
class ChangeForm:
    """What the card signed the SHA-256 of (32 bytes): the change, in which instance, and whether the others follow."""

    sha256: bytes
    instance: str
    request_id: UUID
    change: ContactChange
    propagate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedChange:
    """A change that was made, for its receipt. `card_contact` and `representative_contact` are as they are after it."""

    change_id: UUID
    certificate_sha256: bytes
    request_id: UUID
    request_sha256: bytes
    agency: str
    category: str
    bidder_id: str
    company: Company
    card_contact: Contact | None
    representative_contact: Contact | None
    changed_fields: Sequence[str]
    counts_from: datetime
    propagate: bool
    history_number: int
    history_digest: bytes


def check_form(form: ChangeForm, statement: ActStatement) -> None:
    """Raises REQUEST_SHA256_INVALID unless a form is the one that the proven act has the hash of."""
    change = form.change
    of_form = (
        *(form.sha256, form.instance, form.request_id, change.certificate_sha256),
        *(change.agency, change.category, change.bidder_id),
    )
    of_statement = (
        *(statement.request_sha256, statement.instance, statement.request_id, statement.certificate_sha256),
        *(statement.agency, statement.category, statement.bidder_id),
    )
    if of_form != of_statement:
        raise Refusal("REQUEST_SHA256_INVALID", Code.INVALID_ARGUMENT)


def check_change(change: ContactChange, registered: Registered, category: Category) -> Sequence[str]:
    """Returns the fields that a change changes, in the form's order.

    Raises CONTACT_NOT_FOUND where nothing is registered, CONTACT_CHANGED_MEANWHILE where it was typed over another
    version than the newest, FIELDS_INVALID, and NOTHING_CHANGED.
    """
    if not registered:
        raise Refusal("CONTACT_NOT_FOUND", Code.NOT_FOUND)
    for purpose, typed in change.typed.items():
        newest = registered.get(purpose)
        if newest is not None and typed.version != newest.version:
            raise _refuse_changed_meanwhile(purpose, newest, change.certificate_sha256)
        if newest is None and typed.version != 0:
            raise Refusal("CONTACT_NOT_FOUND", Code.NOT_FOUND)
    violations: list[Violation] = []
    for purpose, typed in change.typed.items():
        again = typed.form.mail_address_again
        violations += check_contact(category, typed.form.contact, mail_address_again=again, path=purpose.section)
    refuse_violations(violations)
    changed = [
        f"{purpose.section}.{name}"
        for purpose in Purpose
        if purpose in change.typed
        for name in _list_changed(change.typed[purpose].form.contact, registered.get(purpose))
    ]
    if not changed:
        raise Refusal("NOTHING_CHANGED", Code.FAILED_PRECONDITION)
    return changed


def list_new_contacts(change: ContactChange, changed_fields: Sequence[str]) -> Mapping[Purpose, Contact]:
    """Returns the contacts that get a new version: those of which a field changes."""
    return {
        purpose: typed.form.contact
        for purpose, typed in change.typed.items()
        if any(name.startswith(f"{purpose.section}.") for name in changed_fields)
    }


def choose_counts_from(registered: Registered, now: datetime) -> datetime:
    """Returns from when new versions count: now, and in any case after the versions before them."""
    return max(now, *(version.counts_from + _NEXT_INSTANT for version in registered.values()))


def _list_changed(contact: Contact, before: RegisteredVersion | None) -> Iterator[str]:
    for field in fields(Contact):
        known = getattr(before.contact, field.name) if before is not None else ""
        if getattr(contact, field.name) != known:
            yield field.name


def _refuse_changed_meanwhile(purpose: Purpose, newest: RegisteredVersion, certificate_sha256: bytes) -> Refusal:
    """Returns the refusal that says which section changed, when, and by whom: never by which other card."""
    section_ja, section_en = {
        Purpose.CARD: ("ICカード利用部署情報", "card contact"),
        Purpose.REPRESENTATIVE: ("代表窓口情報", "representative contact"),
    }[purpose]
    is_own = newest.brought_by == certificate_sha256
    metadata = {
        "section": purpose.section,
        "section_ja": section_ja,
        "section_en": section_en,
        "changed_by": "this_card" if is_own else "another_card",
        "changed_by_ja": "このICカード" if is_own else "御社の別のICカード",
        "changed_by_en": "this card" if is_own else "another card of your company",
        "changed_at": newest.counts_from.isoformat(timespec="seconds"),
        "changed_at_ja": format_instant_ja(newest.counts_from),
        "changed_at_en": format_instant_en(newest.counts_from),
    }
    return Refusal("CONTACT_CHANGED_MEANWHILE", Code.ABORTED, metadata)
