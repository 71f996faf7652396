"""The contacts of committed registrations become active: staged registrations, and what bidders and cards have."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import fields
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text

from contact_notification.domain.card_state import Registration
from contact_notification.domain.contact import Contact
from contact_notification.domain.history import ActiveRegistration
from contact_notification.domain.staging import StagedRegistration
from contact_notification.store.staging import COLUMNS, read_staged
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Whose contact it is: a bidder in a category, or a card in a category with its bidder.
Owner = TypeVar("Owner", tuple[str, str], tuple[bytes, str, str])

# The contacts of each owner's newest registration, and their acts.
_GIVEN = """
    SELECT * FROM unnest(
        CAST(:cards AS bytea[]), CAST(:categories AS text[]), CAST(:bidder_ids AS text[]), CAST(:contact_ids AS uuid[]),
        CAST(:counts_from AS timestamptz[]), CAST(:request_ids AS uuid[]), CAST(:agencies AS text[]),
        CAST(:company_names AS text[])
    ) AS given (
        certificate_sha256, category, bidder_id, contact_id, counts_from, request_id, agency, company_name
    )
"""
# Locked before those of cards, as everywhere.
_LOCK_REPRESENTATIVES = Statement(
    text(
        """
        SELECT owner_id FROM contact_owners
        WHERE purpose = 'representative' AND (bidder_id, category) IN (
            SELECT * FROM unnest(CAST(:bidder_ids AS text[]), CAST(:categories AS text[]))
        )
        ORDER BY bidder_id COLLATE "C", category COLLATE "C"
        FOR UPDATE
        """
    )
)
# Of two registrations of the same instant, the one with the greater contact id counts as newer.
_TAKES_PLACE = """
    DO UPDATE SET version = owner.version + 1, contact_id = excluded.contact_id, former_contact_id = owner.contact_id,
        counts_from = excluded.counts_from, state_epoch = excluded.state_epoch, state_number = owner.state_number + 1
    WHERE owner.version = 0 OR (owner.counts_from, owner.contact_id) < (excluded.counts_from, excluded.contact_id)
    RETURNING owner_id, version, contact_id, former_contact_id
"""
_VERSIONS = """
    INSERT INTO contact_versions
        (owner_id, version, contact_id, counts_from, brought_by, request_id, agency, company_name)
    SELECT owner_id, version, contact_id, counts_from, certificate_sha256, request_id, agency, company_name
    FROM newest JOIN given USING (contact_id)
"""

_ACTIVATE_REPRESENTATIVES = Statement(
    text(
        f"""
        WITH given AS ({_GIVEN}), newest AS (
            INSERT INTO contact_owners AS owner
                (purpose, category, bidder_id, version, contact_id, counts_from, state_epoch, state_number)
            SELECT 'representative', category, bidder_id, 1, contact_id, counts_from, epoch.epoch, 1 FROM given, epoch
            ON CONFLICT (bidder_id, category) WHERE purpose = 'representative' {_TAKES_PLACE}
        ), versions AS ({_VERSIONS})
        SELECT owner_id, contact_id, former_contact_id FROM newest
        """  # noqa: S608  # constants of this module
    )
)

_CONTACT = ", ".join(field.name for field in fields(Contact))

# A registration without a representative contact of its own is shown with the bidder's. What was missing before is not.
# At its agency the newest contacts count from now on.
_ACTIVATE = Statement(
    text(
        f"""
        WITH given AS ({_GIVEN}), newest AS (
            INSERT INTO contact_owners AS owner
                (
                    purpose, category, bidder_id, certificate_sha256, version, contact_id, counts_from, state_epoch,
                    state_number
                )
            SELECT 'card', category, bidder_id, certificate_sha256, 1, contact_id, counts_from, epoch.epoch, 1
            FROM given, epoch
            ON CONFLICT (certificate_sha256, category, bidder_id) WHERE purpose = 'card' {_TAKES_PLACE}
        ), versions AS ({_VERSIONS}), new AS (
            SELECT certificate_sha256, request_id, registration_id, registered_at
            FROM unnest(
                CAST(:certificates AS bytea[]), CAST(:registered_requests AS uuid[]),
                CAST(:registration_ids AS uuid[]), CAST(:registered_at AS timestamptz[])
            ) AS new (certificate_sha256, request_id, registration_id, registered_at)
        ), found AS (
            DELETE FROM registrations_without_contacts AS missing USING new
            WHERE missing.certificate_sha256 = new.certificate_sha256 AND missing.request_id = new.request_id
        ), ended AS (
            UPDATE contact_at_agency AS earlier SET counts_until = new.registered_at
            FROM new
                JOIN staged_registrations AS staged USING (certificate_sha256, request_id)
                JOIN contact_owners AS owner
                    ON owner.bidder_id = staged.bidder_id AND owner.category = staged.category
                    AND (owner.purpose = 'representative' OR owner.certificate_sha256 = staged.certificate_sha256)
            WHERE earlier.owner_id = owner.owner_id AND earlier.agency = staged.agency
                AND earlier.counts_until IS NULL AND earlier.counts_from <= new.registered_at
            RETURNING earlier.owner_id
        ), raised AS (
            UPDATE contact_owners AS owner SET state_epoch = epoch.epoch, state_number = owner.state_number + 1
            FROM epoch
            WHERE owner.owner_id IN (SELECT owner_id FROM ended)
                AND owner.owner_id NOT IN (SELECT owner_id FROM newest)
            RETURNING owner.owner_id, owner.bidder_id, owner.category, owner.certificate_sha256
        )
        UPDATE staged_registrations AS staged
        SET state = 'active', registration_id = new.registration_id,
            representative_contact_id = coalesce(
                staged.representative_contact_id,
                (
                    SELECT contact_id FROM contact_owners AS owner
                    WHERE owner.bidder_id = staged.bidder_id AND owner.category = staged.category
                        AND owner.purpose = 'representative'
                )
            )
        FROM new
        WHERE staged.certificate_sha256 = new.certificate_sha256 AND staged.request_id = new.request_id
        RETURNING {", ".join(f"staged.{column.name}" for column in COLUMNS)},
            (SELECT ARRAY[{_CONTACT}] FROM contacts WHERE contact_id = staged.card_contact_id) AS card_contact,
            (
                SELECT ARRAY[{_CONTACT}] FROM contacts WHERE contact_id = staged.representative_contact_id
            ) AS representative_contact,
            (SELECT former_contact_id FROM newest WHERE contact_id = staged.card_contact_id) AS former_contact_id,
            (SELECT owner_id FROM newest WHERE contact_id = staged.card_contact_id) AS owner_id,
            ARRAY(
                SELECT owner_id FROM raised
                WHERE raised.bidder_id = staged.bidder_id AND raised.category = staged.category
                    AND coalesce(raised.certificate_sha256, staged.certificate_sha256) = staged.certificate_sha256
            ) AS raised_ids
        """  # noqa: S608  # the names of our own columns
    )
)


async def activate(
    connection: Connection, commits: Sequence[tuple[StagedRegistration, Registration]]
) -> tuple[Sequence[ActiveRegistration], Set[UUID]]:
    """Activates staged contacts, unless a newer registration's are active, and links them to their registrations.

    Returns the registrations as they are now, in the same order, and the owners whose states changed: each has got its
    next version. What bidders have is written before what cards have,
    each in the order of the keys, so that transactions wait in turn.
    """
    of_bidders = _choose_newest(
        ((registration.bidder_id, registration.category), staged.representative_contact_id, staged, registration)
        for staged, registration in commits
    )
    former: dict[UUID, UUID | None] = {}
    changed: set[UUID] = set()
    bidders = {(registration.bidder_id, registration.category) for _, registration in commits}
    # A registration may end a pin of a contact that it does not give.
    if len(of_bidders) < len(bidders):
        await connection.fetch_rows(
            _LOCK_REPRESENTATIVES,
            bidder_ids=[bidder_id for bidder_id, _ in bidders],
            categories=[category for _, category in bidders],
        )
    if of_bidders:
        replaced = await connection.fetch_rows(_ACTIVATE_REPRESENTATIVES, **_write_given(of_bidders))
        former = {contact_id: former_contact_id for _, contact_id, former_contact_id in replaced}
        changed = {owner_id for owner_id, _, _ in replaced}
    of_cards = _choose_newest(
        (
            (registration.certificate_sha256, registration.category, registration.bidder_id),
            staged.card_contact_id,
            staged,
            registration,
        )
        for staged, registration in commits
    )
    rows = await connection.fetch_rows(
        _ACTIVATE,
        **_write_given(of_cards),
        certificates=[staged.certificate_sha256 for staged, _ in commits],
        registered_requests=[staged.request_id for staged, _ in commits],
        registration_ids=[registration.registration_id for _, registration in commits],
        registered_at=[registration.registered_at for _, registration in commits],
    )
    by_request = {(row.certificate_sha256, row.request_id): row for row in rows}
    changed |= {row.owner_id for row in rows if row.owner_id is not None}
    changed.update(*(row.raised_ids for row in rows))
    active = [
        _read_active(by_request[staged.request], staged, registration, former) for staged, registration in commits
    ]
    return active, changed


def _read_active(
    row: Any, staged: StagedRegistration, registration: Registration, former: Mapping[UUID, UUID | None]
) -> ActiveRegistration:
    own_id = staged.representative_contact_id
    return ActiveRegistration(
        registration=registration,
        staged=read_staged(row),
        card_contact=Contact(*row.card_contact),
        representative_contact=Contact(*row.representative_contact) if own_id is not None else None,
        former_card_contact_id=row.former_contact_id,
        former_representative_contact_id=former.get(own_id) if own_id is not None else None,
    )


def _write_given(chosen: Sequence[tuple[UUID, StagedRegistration, Registration]]) -> Mapping[str, Sequence[Any]]:
    """Returns the values of `_GIVEN`."""
    return {
        "cards": [registration.certificate_sha256 for *_, registration in chosen],
        "categories": [registration.category for *_, registration in chosen],
        "bidder_ids": [registration.bidder_id for *_, registration in chosen],
        "contact_ids": [contact_id for contact_id, *_ in chosen],
        "counts_from": [registration.registered_at for *_, registration in chosen],
        "request_ids": [registration.request_id for *_, registration in chosen],
        "agencies": [registration.agency for *_, registration in chosen],
        "company_names": [staged.company.full_name for _, staged, _ in chosen],
    }


def _choose_newest(
    given: Iterable[tuple[Owner, UUID | None, StagedRegistration, Registration]],
) -> Sequence[tuple[UUID, StagedRegistration, Registration]]:
    """Returns the contact of the newest registration of each owner that has one, in the order of the owners."""
    newest: dict[Owner, tuple[UUID, StagedRegistration, Registration]] = {}
    for owner, contact_id, staged, registration in given:
        if contact_id is None:
            continue
        known = newest.get(owner)
        if known is None or (known[2].registered_at, known[0]) < (registration.registered_at, contact_id):
            newest[owner] = contact_id, staged, registration
    return [newest[owner] for owner in sorted(newest)]
