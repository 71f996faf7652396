"""The entries of the history. Only the details of a registration and of a change have what a person typed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from contact_notification.domain.act_proof import SignedPurpose
from contact_notification.domain.card_state import Registration, Takeover
from contact_notification.domain.change import ChangeForm, Purpose
from contact_notification.domain.contact import Contact
from contact_notification.domain.staging import StagedRegistration
from history.entries import Entry, SignedAct, write_instant

# Who settles what a card has staged and not registered.
_SERVICE = "contact-notification"
# Who carries out what was planned, as the access check names it.
_SYNC = "service agency-sync"


class HistoryAction(StrEnum):
    """What happened to contacts."""

    REGISTERED = "contacts registered"
    # The registration was committed, and gave way before its contacts could count.
    GAVE_WAY = "contacts gave way"
    # The card signed others than were staged.
    NOT_SIGNED = "contacts not signed"
    # The registration was never committed; its contacts are deleted.
    ABANDONED = "contacts abandoned"
    # 変更, by an act of the card.
    CHANGED = "contacts changed"
    # In the night after a change, at the agencies that follow it.
    PROPAGATED = "contacts propagated"
    # At a renewal, from the old card to the new one.
    TAKEN_OVER = "contacts taken over"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRegistration:
    """Contacts that became active: the registration, its own contacts, and those that they took the place of, by id."""

    registration: Registration
    staged: StagedRegistration
    card_contact: Contact
    # The one given with this registration, or else None.
    representative_contact: Contact | None
    former_card_contact_id: UUID | None
    former_representative_contact_id: UUID | None


@dataclass(frozen=True, slots=True)
class ChangedContact:
    """One contact of a change, each with its id: before (None where it is the first) and after.

    `pinned` are the agencies that keep the one before.
    """

    before: tuple[UUID, Contact] | None
    after: tuple[UUID, Contact]
    pinned: Sequence[str]


def describe_registered(active: ActiveRegistration, *, now: datetime, trace_id: str | None) -> Entry:
    """Returns the entry of contacts that became active.

    Of those before there are only ids: their values are in the entry by which they became active, and may be
    another bidder's, who is erased by itself.
    """
    registration, staged = active.registration, active.staged
    after: dict[str, Any] = {
        "registration_id": str(registration.registration_id),
        "registered_at": write_instant(registration.registered_at),
        "card_contact": _write_contact(staged.card_contact_id, active.card_contact),
    }
    if active.representative_contact is not None and staged.representative_contact_id is not None:
        contact_id = staged.representative_contact_id
        after["representative_contact"] = _write_contact(contact_id, active.representative_contact)
    return Entry(
        happened_at=now,
        who=f"card {staged.certificate_sha256.hex()}",
        what=HistoryAction.REGISTERED,
        request_id=staged.request_id,
        trace_id=trace_id,
        certificate_sha256=staged.certificate_sha256,
        category=staged.category,
        agencies=(staged.agency,),
        bidder_id=staged.company.bidder_id,
        before=_write_ids(active.former_card_contact_id, active.former_representative_contact_id),
        after=after,
    )


def describe_changed(
    form: ChangeForm,
    contacts: Mapping[Purpose, ChangedContact],
    act: SignedPurpose,
    changed_fields: Sequence[str],
    *,
    counts_from: datetime,
    now: datetime,
    trace_id: str | None,
) -> Entry:
    """Returns the entry of a change, with the signed act; certificate-registry's history has the certificate."""
    change = form.change
    before: dict[str, Any] = {}
    after: dict[str, Any] = {
        "counts_from": write_instant(counts_from),
        "changed_fields": list(changed_fields),
        "propagate": form.propagate,
    }
    for purpose, contact in contacts.items():
        if contact.before is not None:
            before[purpose.section] = _write_contact(*contact.before)
        after[purpose.section] = _write_contact(*contact.after)
        if contact.pinned:
            after[f"{purpose.section}_earlier_at"] = list(contact.pinned)
    return Entry(
        happened_at=now,
        who=f"card {change.certificate_sha256.hex()}",
        what=HistoryAction.CHANGED,
        request_id=form.request_id,
        trace_id=trace_id,
        certificate_sha256=change.certificate_sha256,
        category=change.category,
        agencies=(change.agency,),
        bidder_id=change.bidder_id,
        before=before,
        after=after,
        act=SignedAct(act.purpose, act.algorithm, act.signature),
    )


def describe_propagated(
    *,
    request_id: UUID,
    certificate_sha256: bytes,
    category: str,
    bidder_id: str,
    agencies: Sequence[str],
    change_id: UUID,
    now: datetime,
    trace_id: str | None,
) -> Entry:
    """Returns the entry of a change that these agencies follow from now on; ids only."""
    return Entry(
        happened_at=now,
        who=_SYNC,
        what=HistoryAction.PROPAGATED,
        request_id=request_id,
        trace_id=trace_id,
        certificate_sha256=certificate_sha256,
        category=category,
        agencies=tuple(agencies),
        bidder_id=bidder_id,
        before={},
        after={"change_id": str(change_id)},
    )


def describe_taken_over(takeover: Takeover, contact_id: UUID | None, *, now: datetime, trace_id: str | None) -> Entry:
    """Returns the entry of a contact that a card took over from the one before it; ids only."""
    return Entry(
        happened_at=now,
        who=_SERVICE,
        what=HistoryAction.TAKEN_OVER,
        request_id=takeover.request_id,
        trace_id=trace_id,
        certificate_sha256=takeover.certificate_sha256,
        category=takeover.category,
        agencies=(takeover.agency,),
        bidder_id=takeover.bidder_id,
        before={},
        after={"contacts_of_card": takeover.predecessor.hex(), "card_contact_id": str(contact_id)},
    )


def describe_ended(staged: StagedRegistration, action: HistoryAction, *, now: datetime, trace_id: str | None) -> Entry:
    """Returns the entry of staged contacts that do not become active; nothing in it names a person."""
    return Entry(
        happened_at=now,
        who=_SERVICE,
        what=action,
        request_id=staged.request_id,
        trace_id=trace_id,
        certificate_sha256=staged.certificate_sha256,
        category=staged.category,
        agencies=(staged.agency,),
        bidder_id=staged.company.bidder_id,
        before=_write_ids(staged.card_contact_id, staged.representative_contact_id),
        after={},
    )


def _write_contact(contact_id: UUID, contact: Contact) -> Mapping[str, str]:
    return {"contact_id": str(contact_id), **asdict(contact)}


def _write_ids(card_contact_id: UUID | None, representative_contact_id: UUID | None) -> Mapping[str, str]:
    ids = {"card_contact_id": card_contact_id, "representative_contact_id": representative_contact_id}
    return {name: str(contact_id) for name, contact_id in ids.items() if contact_id is not None}
