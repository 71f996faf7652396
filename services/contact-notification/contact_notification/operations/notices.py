"""Takes notices, and writes their mails as soon as the contacts that they show are active."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from contact_notification.domain.act_proof import ActStatement
from contact_notification.domain.change import CommittedChange
from contact_notification.domain.notice import (
    ActEntry,
    Addressee,
    BidderContacts,
    BidderOwner,
    CardOwner,
    ChangeFacts,
    MailAddress,
    Notice,
    NoticeKind,
    NoticeState,
    OfficerFacts,
    Recipient,
    RegistrationFacts,
    RenewalFacts,
    Shown,
    choose_mailboxes,
    choose_version,
    find_missing,
    hide_holder,
    name_act,
    refuse_notice,
)
from contact_notification.domain.staging import MissingContacts, StagedRegistration, StagedState
from contact_notification.operations.mails import enqueue_mails
from contact_notification.store import contacts, mails, missing_contacts, notices, registered, staging, takeovers
from history.sealed_entry import USUAL_WAIT
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Takes notices. The Message-IDs of their mails end in `mail_domain`."""

    database: Database
    clock: DatabaseClock
    mail_domain: str

    async def send(self, sent: Sequence[Notice]) -> None:
        """Stores notices once by their ids, and writes their mails, or lets them wait while their contacts are pending.

        Where no contacts of a registration are staged there is nothing to send, and no repetition could bring it:
        this is recorded and reported once, and the notice counts as taken.
        Raises NOTICE_INVALID where an id belongs to a notice of another kind or with other facts; then nothing is
        changed.
        """
        async with self.database.transaction() as connection:
            # Locked, so that the contacts do not become active between this question and the notice that waits for it.
            requests = {notice.request for notice in sent if notice.request is not None}
            locked = await staging.lock_staged(connection, requests) if requests else {}
            missing: dict[tuple[bytes, UUID], tuple[UUID, MissingContacts]] = {}
            states: dict[Notice, NoticeState] = {}
            known: dict[RenewalFacts, Shown] = {}
            for notice in sent:
                if isinstance(notice.facts, RenewalFacts):
                    shown, state = await _find_renewed(connection, notice, notice.facts, known)
                    states[replace(notice, shown=shown)] = state
                    continue
                if notice.request is None or not isinstance(notice.facts, RegistrationFacts):
                    states[notice] = NoticeState.WRITTEN
                    continue
                staged = locked.get(notice.request)
                reason = find_missing(staged, notice.facts)
                if reason is not None:
                    missing[notice.request] = (notice.facts.registration_id, reason)
                    continue
                is_pending = staged is not None and staged.state is StagedState.PENDING
                states[notice] = NoticeState.WAITING if is_pending else NoticeState.WRITTEN
            await self._store(connection, states, locked)
            new = await missing_contacts.record_missing(connection, missing) if missing else ()
        report_missing(new)
        taken = {notice.notice_id for notice in states}
        for notice in sent:
            if notice.notice_id not in taken:
                log.warning("notice %s is not sent, since its registration has no contacts", notice.notice_id)

    async def _store(
        self,
        connection: Connection,
        states: Mapping[Notice, NoticeState],
        staged: Mapping[tuple[bytes, UUID], StagedRegistration],
    ) -> None:
        if not states:
            return
        now = await self.clock(connection)
        new_ids = await notices.insert_notices(connection, states, now=now)
        for notice in states:
            if notice.notice_id not in new_ids:
                stored = await notices.get_notice(connection, notice.notice_id)
                # The holder of the card may have been erased since (docs/erasure.md).
                known = (notice.facts, hide_holder(notice.facts))
                if stored.kind is not notice.kind or stored.facts not in known:
                    raise refuse_notice("notice_id")
        written = [
            notice for notice, state in states.items() if state is NoticeState.WRITTEN and notice.notice_id in new_ids
        ]
        await write_mails(connection, written, staged, domain=self.mail_domain, now=now)


async def _find_renewed(
    connection: Connection, notice: Notice, facts: RenewalFacts, known: dict[RenewalFacts, Shown]
) -> tuple[Shown | None, NoticeState]:
    """Returns what the mails of a renewal show, and whether the notice waits for it. `known` keeps it by renewal.

    The contact of the new card is its own or, while it has none, the old card's, which it takes over. That the new card
    is told waits until there is one; the bidder's other contacts are told at once.
    """
    if facts in known:
        return known[facts], NoticeState.WRITTEN
    shown = await takeovers.find_shown(connection, facts)
    if shown is None and notice.kind is NoticeKind.RENEWAL:
        # So that it is not taken over between this question and the notice that waits for it.
        await registered.lock_card_owner(connection, facts.certificate_sha256, facts.bidder_id, facts.category)
        shown = await takeovers.find_shown(connection, facts)
        if shown is None:
            return None, NoticeState.WAITING
    if shown is not None:
        known[facts] = shown
    return shown, NoticeState.WRITTEN


async def write_change_notice(
    connection: Connection,
    change: CommittedChange,
    statement: ActStatement,
    addressees: Sequence[Addressee],
    *,
    registry: str,
    card_contact_id: UUID | None,
    domain: str,
    now: datetime,
) -> None:
    """Writes the notice of a change with its mails, which begin when the act's entry is usually sealed."""
    notice = Notice(
        notice_id=uuid4(),
        kind=NoticeKind.CHANGE,
        facts=ChangeFacts(
            certificate_sha256=change.certificate_sha256,
            card_serial=statement.serial_decimal,
            agency=change.agency,
            category=change.category,
            bidder_id=change.bidder_id,
            happened_at=change.counts_from,
            holder_name=statement.holder_name,
            changed_fields=tuple(change.changed_fields),
            propagate=change.propagate,
        ),
        recipients=(),
        entry=ActEntry(registry, change.history_digest, None, None, None),
        shown=Shown(card_contact_id, change.company.full_name),
        history_number=change.history_number,
    )
    await notices.insert_notices(connection, {notice: NoticeState.WRITTEN}, now=now)
    new_mails = [mails.NewMail(notice.notice_id, addressee, None) for addressee in addressees]
    mail_ids = await mails.insert_mails(connection, new_mails, domain=domain, now=now)
    await enqueue_mails(connection, mail_ids, delay=USUAL_WAIT)


def report_missing(missing: Sequence[tuple[UUID, MissingContacts]]) -> None:
    """Tells the operator of registrations without contacts."""
    for registration_id, reason in missing:
        log.error(
            "ALERT registration %s has no contacts (%s): its agency gets none, and no mail tells of it. Inform the "
            "agency; see docs/operations/mails.md",
            registration_id,
            reason,
        )


async def write_mails(
    connection: Connection,
    written: Sequence[Notice],
    staged: Mapping[tuple[bytes, UUID], StagedRegistration],
    *,
    domain: str,
    now: datetime,
) -> None:
    """Writes the mails of notices whose contacts are active, one for each mailbox, and enqueues their sending.

    `staged` has what is staged under the notices' own requests.
    """
    if not written:
        return
    owners = [(notice, recipient) for notice in written for recipient in notice.recipients]
    further = {act for notice, owner in owners if (act := name_act(owner, notice)) is not None} - staged.keys()
    if further:
        staged = {**staged, **await staging.list_staged(connection, further)}
    of_acts = {
        (notice.notice_id, owner): contact_id
        for notice, owner in owners
        if (act := name_act(owner, notice)) is not None
        and (contact_id := choose_version(owner, staged.get(act))) is not None
    }
    newest = [owner for notice, owner in owners if name_act(owner, notice) is None]
    mailboxes = await contacts.list_mailboxes(
        connection,
        cards={(owner.certificate_sha256, owner.category) for owner in newest if isinstance(owner, CardOwner)},
        bidders={(owner.bidder_id, owner.category) for owner in newest if isinstance(owner, BidderOwner)},
        whole_bidders={(owner.bidder_id, owner.category) for owner in newest if isinstance(owner, BidderContacts)},
        contact_ids={
            *of_acts.values(),
            *(contact_id for notice in written if (contact_id := _find_own(notice, staged)) is not None),
        },
    )
    chosen: list[mails.NewMail] = []
    for notice in written:
        addressees: list[Addressee] = []
        for number, recipient in enumerate(notice.recipients):
            if isinstance(recipient, MailAddress):
                addressees.append(Addressee(None, recipient.address, recipient.name))
                continue
            of_act = of_acts.get((notice.notice_id, recipient))
            contact_ids = [of_act] if of_act is not None else _list_newest(notice, recipient, mailboxes)
            if not contact_ids:
                log.warning("notice %s: its recipient %s has no contact and is passed over", notice.notice_id, number)
            addressees += [Addressee(contact_id, mailboxes.addresses[contact_id]) for contact_id in contact_ids]
        own_id = _find_own(notice, staged)
        own = None if own_id is None else mailboxes.addresses[own_id]
        chosen += [
            mails.NewMail(notice.notice_id, addressee, notice.sealed_secret)
            for addressee in choose_mailboxes(notice.kind, own, addressees)
        ]
    await enqueue_mails(connection, await mails.insert_mails(connection, chosen, domain=domain, now=now))


def _find_own(notice: Notice, staged: Mapping[tuple[bytes, UUID], StagedRegistration]) -> UUID | None:
    """Returns the contact of the card that a notice is about, where its mails show one."""
    if notice.request is not None:
        return staged[notice.request].card_contact_id
    return notice.shown.card_contact_id if notice.shown is not None else None


def _list_newest(notice: Notice, owner: Recipient, mailboxes: contacts.Mailboxes) -> Sequence[UUID]:
    """Returns the contacts of an owner of which the newest version is meant, none where it has none."""
    if name_act(owner, notice) is not None or isinstance(notice.facts, OfficerFacts):
        return []
    match owner:
        case BidderOwner():
            contact_id = mailboxes.of_bidders.get((owner.bidder_id, owner.category))
            return [] if contact_id is None else [contact_id]
        case CardOwner():
            # What concerns a bidder is not told to the contact that the card has with another one.
            of_card = mailboxes.of_cards.get((owner.certificate_sha256, owner.category, notice.facts.bidder_id))
            if of_card is None and isinstance(notice.facts, RenewalFacts) and notice.shown is not None:
                is_new_card = owner.certificate_sha256 == notice.facts.certificate_sha256
                of_card = notice.shown.card_contact_id if is_new_card else None
            return [of_card] if of_card is not None else []
        case BidderContacts():
            representative = mailboxes.of_bidders.get((owner.bidder_id, owner.category))
            of_cards = [
                contact_id
                for (_, category, bidder_id), contact_id in mailboxes.of_cards.items()
                if (bidder_id, category) == (owner.bidder_id, owner.category)
            ]
            return of_cards if representative is None else [representative, *of_cards]
    return []
