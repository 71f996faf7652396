"""変更: checks a change of contacts, commits it by a proven act, and reads it for its receipt."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from contact_notification.domain.act_proof import (
    ActProof,
    ActStatement,
    SignedPurpose,
    expect_statement,
    require_valid,
    verify_proof,
)
from contact_notification.domain.change import (
    ChangeForm,
    CommittedChange,
    ContactChange,
    Purpose,
    Registered,
    RegisteredVersion,
    check_change,
    check_form,
    choose_counts_from,
    list_new_contacts,
)
from contact_notification.domain.contact import Contact
from contact_notification.domain.history import ChangedContact, describe_changed
from contact_notification.domain.notice import choose_changed_mailboxes
from contact_notification.domain.pins import Pin, Reach, choose_reach, list_pins
from contact_notification.domain.staging import Company
from contact_notification.operations.notices import write_change_notice
from contact_notification.operations.owner_events import enqueue_owners
from contact_notification.store import changes, registered
from history.entries import Chain
from history.reading import find_receipt
from history.receipt import write_receipt
from history.writing import write_history
from instance_profile.model import Category, Profile
from instance_profile.offers import require_category, require_offer
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.signed_statement import VerifyingKeys
from servicekit.telemetry import find_trace_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChanges:
    """Changes contacts. The Message-IDs of the mails about it end in `mail_domain`."""

    database: Database
    clock: DatabaseClock
    profile: Profile
    chain: Chain
    act_proof_keys: VerifyingKeys
    mail_domain: str

    async def find_registered(self, certificate_sha256: bytes, bidder_id: str, category: str) -> Registered:
        """Returns the newest contacts of a card and its bidder, by purpose; raises CATEGORY_UNKNOWN."""
        require_category(self.profile, category)
        async with self.database.read() as connection:
            return await registered.read_registered(connection, certificate_sha256, bidder_id, category)

    async def check(self, change: ContactChange) -> tuple[Sequence[str], Registered]:
        """Returns the fields that a change changes, and what is registered before; raises the errors of CheckChange."""
        category = require_offer(self.profile, change.agency, change.category).category
        async with self.database.read() as connection:
            before = await registered.read_registered(
                connection, change.certificate_sha256, change.bidder_id, change.category
            )
        return check_change(change, before, category), before

    async def commit(
        self, proof: ActProof, statement: ActStatement, act: SignedPurpose, form: ChangeForm, company: Company
    ) -> tuple[CommittedChange, str]:
        """Changes contacts and returns the change with its receipt (JSON, "" until it is sealed); once by request.

        In one transaction: new versions, agencies that keep the version before, history, and mails. What was committed
        before is returned, also with a proof that ran out. Raises the errors of CommitChange.
        """
        verify_proof(proof, self.act_proof_keys)
        expect_statement(statement, act, instance=self.profile.id)
        check_form(form, statement)
        change = form.change
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            locked = await registered.lock_owners(
                connection, change.certificate_sha256, change.bidder_id, change.category
            )
            known = await changes.find_change(connection, change.certificate_sha256, form.request_id)
            if known is None:
                require_valid(statement, now)
                category = require_offer(self.profile, change.agency, change.category).category
                # Its entry is sealed after this transaction.
                return await self._commit(connection, locked, statement, act, form, category, company, now=now), ""
            if known.request_sha256 != form.sha256:
                raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
            return known, await _find_receipt(connection, known)

    async def get(self, certificate_sha256: bytes, request_id: UUID) -> tuple[CommittedChange, str]:
        """Returns a committed change with its receipt, as `commit` does; raises CHANGE_NOT_FOUND."""
        async with self.database.read() as connection:
            known = await changes.find_change(connection, certificate_sha256, request_id)
            if known is None:
                raise Refusal("CHANGE_NOT_FOUND", Code.NOT_FOUND)
            return known, await _find_receipt(connection, known)

    async def _commit(
        self,
        connection: Connection,
        locked: registered.LockedOwners,
        statement: ActStatement,
        act: SignedPurpose,
        form: ChangeForm,
        category: Category,
        company: Company,
        *,
        now: datetime,
    ) -> CommittedChange:
        change = form.change
        before = await registered.read_registered(
            connection, change.certificate_sha256, change.bidder_id, change.category
        )
        change_id, reach = uuid4(), choose_reach(self.profile.propagation, propagate=form.propagate)
        # Asked for nothing where no agency keeps the version before.
        agencies: Mapping[bytes, Set[str]] = {}
        if locked.has_successor or reach is not Reach.AT_ONCE:
            agencies = await registered.list_agencies(connection, change.bidder_id, change.category)
        of_card = agencies.get(change.certificate_sha256, frozenset())
        # A renewal that took over the contact of this card would not get what is changed afterwards.
        if locked.has_successor and change.agency not in of_card:
            raise Refusal("CARD_REPLACED", Code.FAILED_PRECONDITION)
        changed_fields = check_change(change, before, category)
        new_contacts = list_new_contacts(change, changed_fields)
        counts_from = choose_counts_from(before, now)
        everywhere = {Purpose.CARD: of_card, Purpose.REPRESENTATIVE: frozenset().union(*agencies.values())}
        versions = {
            purpose: _create_version(
                locked.ids[purpose],
                contact,
                before.get(purpose),
                _list_pins(before.get(purpose), everywhere[purpose], change, reach, change_id),
            )
            for purpose, contact in new_contacts.items()
        }
        entry = describe_changed(
            form,
            {purpose: _describe_version(before.get(purpose), versions[purpose]) for purpose in versions},
            act,
            changed_fields,
            counts_from=counts_from,
            now=now,
            trace_id=find_trace_id(),
        )
        [written] = await write_history(connection, self.chain, [entry])
        contact_ids, contacts = _list_after(before, versions)
        committed = CommittedChange(
            change_id=change_id,
            certificate_sha256=change.certificate_sha256,
            request_id=form.request_id,
            request_sha256=form.sha256,
            agency=change.agency,
            category=change.category,
            bidder_id=change.bidder_id,
            company=company,
            card_contact=contacts.get(Purpose.CARD),
            representative_contact=contacts.get(Purpose.REPRESENTATIVE),
            changed_fields=changed_fields,
            counts_from=counts_from,
            propagate=form.propagate,
            history_number=written.number,
            history_digest=written.digest,
        )
        await changes.save_change(
            connection,
            committed,
            [*versions.values()],
            card_contact_id=contact_ids.get(Purpose.CARD),
            representative_contact_id=contact_ids.get(Purpose.REPRESENTATIVE),
        )
        await enqueue_owners(connection, [version.owner_id for version in versions.values()])
        addressees = choose_changed_mailboxes(
            {purpose: (version.contact_id, version.contact) for purpose, version in before.items()},
            {purpose: (contact_ids[purpose], contacts[purpose]) for purpose in contacts},
        )
        await write_change_notice(
            connection,
            committed,
            statement,
            addressees,
            registry=self.chain.registry,
            card_contact_id=contact_ids.get(Purpose.CARD),
            domain=self.mail_domain,
            now=now,
        )
        return committed


def _list_pins(
    before: RegisteredVersion | None, agencies: Set[str], change: ContactChange, reach: Reach, change_id: UUID
) -> Mapping[str, Pin]:
    """Returns the pins of an owner after a change. A first version takes the place of none."""
    if before is None:
        return {}
    return list_pins(
        before.pins, agencies, version=before.version, agency=change.agency, reach=reach, change_id=change_id
    )


def _create_version(
    owner_id: UUID, contact: Contact, before: RegisteredVersion | None, pins: Mapping[str, Pin]
) -> changes.NewVersion:
    version = before.version + 1 if before is not None else 1
    return changes.NewVersion(owner_id, version, uuid4(), contact, pins)


def _describe_version(before: RegisteredVersion | None, version: changes.NewVersion) -> ChangedContact:
    return ChangedContact(
        before=(before.contact_id, before.contact) if before is not None else None,
        after=(version.contact_id, version.contact),
        pinned=sorted(version.pins.keys() - before.pins.keys()) if before is not None else [],
    )


def _list_after(
    before: Registered, versions: Mapping[Purpose, changes.NewVersion]
) -> tuple[Mapping[Purpose, UUID], Mapping[Purpose, Contact]]:
    """Returns the ids of the contacts after a change, and the contacts."""
    newest: Mapping[Purpose, changes.NewVersion | RegisteredVersion] = {**before, **versions}
    return (
        {purpose: version.contact_id for purpose, version in newest.items()},
        {purpose: version.contact for purpose, version in newest.items()},
    )


async def _find_receipt(connection: Connection, change: CommittedChange) -> str:
    receipt = await find_receipt(connection, change.history_number)
    return "" if receipt is None else write_receipt(receipt)
