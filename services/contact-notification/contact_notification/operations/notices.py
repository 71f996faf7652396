"""Takes notices, and writes their mails as soon as the contacts that they show are active."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from contact_notification.domain.notice import (
    Addressee,
    BidderOwner,
    CardOwner,
    MailAddress,
    Notice,
    NoticeState,
    Recipient,
    choose_mailboxes,
    choose_version,
    find_missing,
    name_act,
    refuse_notice,
)
from contact_notification.domain.staging import MissingContacts, StagedRegistration, StagedState
from contact_notification.operations.mails import enqueue_mails
from contact_notification.store import contacts, mails, missing_contacts, notices, staging
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
            locked = await staging.lock_staged(connection, {notice.request for notice in sent})
            missing: dict[tuple[bytes, UUID], tuple[UUID, MissingContacts]] = {}
            states: dict[Notice, NoticeState] = {}
            for notice in sent:
                staged = locked.get(notice.request)
                reason = find_missing(staged, notice.facts)
                if reason is not None:
                    missing[notice.request] = (notice.facts.registration_id, reason)
                    continue
                is_pending = staged is not None and staged.state is StagedState.PENDING
                states[notice] = NoticeState.WAITING if is_pending else NoticeState.WRITTEN
            await self._store(connection, states)
            new = await missing_contacts.record_missing(connection, missing) if missing else ()
        report_missing(new)
        for notice in sent:
            if notice not in states:
                log.warning("notice %s is not sent, since its registration has no contacts", notice.notice_id)

    async def _store(self, connection: Connection, states: Mapping[Notice, NoticeState]) -> None:
        if not states:
            return
        now = await self.clock(connection)
        new_ids = await notices.insert_notices(connection, states, now=now)
        for notice in states:
            if notice.notice_id not in new_ids:
                stored = await notices.get_notice(connection, notice.notice_id)
                # The holder of the card may have been erased since (docs/erasure.md).
                known = (notice.facts, replace(notice.facts, holder_name=""))
                if stored.kind is not notice.kind or stored.facts not in known:
                    raise refuse_notice("notice_id")
        written = [
            notice for notice, state in states.items() if state is NoticeState.WRITTEN and notice.notice_id in new_ids
        ]
        await write_mails(connection, written, domain=self.mail_domain, now=now)


def report_missing(missing: Sequence[tuple[UUID, MissingContacts]]) -> None:
    """Tells the operator of registrations without contacts."""
    for registration_id, reason in missing:
        log.error(
            "ALERT registration %s has no contacts (%s): its agency gets none, and no mail tells of it. Inform the "
            "agency; see docs/operations/mails.md",
            registration_id,
            reason,
        )


async def write_mails(connection: Connection, written: Sequence[Notice], *, domain: str, now: datetime) -> None:
    """Writes the mails of notices whose contacts are active, one for each mailbox, and enqueues their sending."""
    if not written:
        return
    owners = [(notice, recipient) for notice in written for recipient in notice.recipients]
    staged = await staging.list_staged(
        connection,
        {notice.request for notice in written}
        | {act for notice, owner in owners if (act := name_act(owner, notice)) is not None},
    )
    contact_ids = await _find_contacts(connection, owners, staged)
    addresses = await contacts.list_mail_addresses(
        connection, {*contact_ids.values(), *(staged[notice.request].card_contact_id for notice in written)}
    )
    chosen: list[tuple[UUID, Addressee]] = []
    for notice in written:
        addressees: list[Addressee] = []
        for number, recipient in enumerate(notice.recipients):
            if isinstance(recipient, MailAddress):
                addressees.append(Addressee(None, recipient.address))
            elif (contact_id := contact_ids.get((notice.notice_id, recipient))) is not None:
                addressees.append(Addressee(contact_id, addresses[contact_id]))
            else:
                log.warning("notice %s: its recipient %s has no contact and is passed over", notice.notice_id, number)
        card_address = addresses[staged[notice.request].card_contact_id]
        chosen += [
            (notice.notice_id, addressee) for addressee in choose_mailboxes(notice.kind, card_address, addressees)
        ]
    await enqueue_mails(connection, await mails.insert_mails(connection, chosen, domain=domain, now=now))


async def _find_contacts(
    connection: Connection,
    owners: Sequence[tuple[Notice, Recipient]],
    staged: Mapping[tuple[bytes, UUID], StagedRegistration],
) -> Mapping[tuple[UUID, Recipient], UUID]:
    """Returns the contact of every recipient that owns one, by notice and recipient."""
    newest = [owner for notice, owner in owners if name_act(owner, notice) is None]
    of_cards = await contacts.list_card_contact_ids(
        connection, {(owner.certificate_sha256, owner.category) for owner in newest if isinstance(owner, CardOwner)}
    )
    of_bidders = await contacts.list_representative_contact_ids(
        connection, {(owner.bidder_id, owner.category) for owner in newest if isinstance(owner, BidderOwner)}
    )
    contact_ids: dict[tuple[UUID, Recipient], UUID] = {}
    for notice, owner in owners:
        act = name_act(owner, notice)
        if act is not None:
            contact_id = choose_version(owner, staged.get(act))
        elif isinstance(owner, BidderOwner):
            contact_id = of_bidders.get((owner.bidder_id, owner.category))
        elif isinstance(owner, CardOwner):
            bidder_id, of_card = of_cards.get((owner.certificate_sha256, owner.category), ("", None))
            # A card that belongs to another bidder by now is not told what concerns this one.
            contact_id = of_card if bidder_id == notice.facts.bidder_id else None
        else:
            contact_id = None
        if contact_id is not None:
            contact_ids[notice.notice_id, owner] = contact_id
    return contact_ids
