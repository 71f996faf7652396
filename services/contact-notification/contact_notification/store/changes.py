"""Committed changes, and the versions that they bring."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB

from contact_notification.domain.change import CommittedChange
from contact_notification.domain.contact import Contact
from contact_notification.domain.pins import Pin
from contact_notification.store.contacts import label_contact, read_contact
from contact_notification.store.staging import read_company
from contact_notification.store.tables import contact_changes, contacts
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_changes = contact_changes.c
_card_contact, _representative = contacts.alias("card_contact"), contacts.alias("representative")

_FIND = Statement(
    select(
        *_changes,
        *label_contact(_card_contact, "card_contact"),
        *label_contact(_representative, "representative"),
    )
    .select_from(contact_changes)
    .outerjoin(_card_contact, _card_contact.c.contact_id == _changes.card_contact_id)
    .outerjoin(_representative, _representative.c.contact_id == _changes.representative_contact_id)
    .where(
        _changes.certificate_sha256 == bindparam("certificate_sha256"), _changes.request_id == bindparam("request_id")
    )
)

# `after` has all pins after the change: others end, and those that were there before keep their version.
_SAVE = Statement(
    text(
        """
        WITH new AS MATERIALIZED (
            SELECT owner_id, version, contact_id, pins, department, postal_code, address, person_name, telephone, fax,
                mail_address
            FROM jsonb_to_recordset(:versions) AS new (
                owner_id uuid, version bigint, contact_id uuid, pins jsonb, department text, postal_code text,
                address text, person_name text, telephone text, fax text, mail_address text
            )
        ), after AS MATERIALIZED (
            SELECT new.owner_id, pin.agency, pin.version, pin.planned_by, pin.then_version
            FROM new CROSS JOIN LATERAL jsonb_to_recordset(new.pins) AS pin (
                agency text, version bigint, planned_by uuid, then_version bigint
            )
        ), new_contacts AS (
            INSERT INTO contacts (
                contact_id, department, postal_code, address, person_name, telephone, fax, mail_address
            )
            SELECT contact_id, department, postal_code, address, person_name, telephone, fax, mail_address FROM new
        ), new_versions AS (
            INSERT INTO contact_versions
                (owner_id, version, contact_id, counts_from, brought_by, request_id, agency, company_name)
            SELECT owner_id, version, contact_id, :counts_from, :certificate_sha256, :request_id, :agency,
                :company_name
            FROM new
        ), newest AS (
            UPDATE contact_owners AS owner
            SET version = new.version, contact_id = new.contact_id, former_contact_id = owner.contact_id,
                counts_from = :counts_from, state_epoch = epoch.epoch, state_number = owner.state_number + 1
            FROM new, epoch WHERE owner.owner_id = new.owner_id
        ), ended AS (
            UPDATE contact_at_agency AS earlier SET counts_until = :counts_from
            FROM new
            WHERE earlier.owner_id = new.owner_id AND earlier.counts_until IS NULL
                AND NOT EXISTS (
                    SELECT FROM after WHERE after.owner_id = earlier.owner_id AND after.agency = earlier.agency
                )
        ), planned AS (
            UPDATE contact_at_agency AS earlier
            SET planned_by = after.planned_by, then_version = after.then_version
            FROM after
            WHERE earlier.owner_id = after.owner_id AND earlier.agency = after.agency AND earlier.counts_until IS NULL
                AND (earlier.planned_by, earlier.then_version) IS DISTINCT FROM (after.planned_by, after.then_version)
        ), pins AS (
            INSERT INTO contact_at_agency (owner_id, agency, counts_from, version, planned_by, then_version)
            SELECT owner_id, agency, CAST(:counts_from AS timestamptz), version, planned_by, then_version FROM after
            WHERE NOT EXISTS (
                SELECT FROM contact_at_agency AS earlier
                WHERE earlier.owner_id = after.owner_id AND earlier.agency = after.agency
                    AND earlier.counts_until IS NULL
            )
        )
        INSERT INTO contact_changes (
            change_id, certificate_sha256, request_id, request_sha256, agency, category, bidder_id, company,
            card_contact_id, representative_contact_id, changed_fields, propagate, counts_from, history_number,
            history_digest
        )
        VALUES (
            :change_id, :certificate_sha256, :request_id, :request_sha256, :agency, :category, :bidder_id, :company,
            :card_contact_id, :representative_contact_id, :changed_fields, :propagate, :counts_from, :history_number,
            :history_digest
        )
        """
    ).bindparams(bindparam("versions", type_=JSONB), bindparam("company", type_=JSONB))
)


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A new version of an owner's contact, and the agencies at which earlier ones count after it."""

    owner_id: UUID
    version: int
    contact_id: UUID
    contact: Contact
    pins: Mapping[str, Pin]


async def find_change(connection: Connection, certificate_sha256: bytes, request_id: UUID) -> CommittedChange | None:
    """Returns the committed change of a card's request; None where there is none."""
    row = await connection.fetch_row(_FIND, certificate_sha256=certificate_sha256, request_id=request_id)
    if row is None:
        return None
    return CommittedChange(
        change_id=row.change_id,
        certificate_sha256=row.certificate_sha256,
        request_id=row.request_id,
        request_sha256=row.request_sha256,
        agency=row.agency,
        category=row.category,
        bidder_id=row.bidder_id,
        company=read_company(row.company),
        card_contact=read_contact(row, "card_contact") if row.card_contact_id is not None else None,
        representative_contact=(
            read_contact(row, "representative") if row.representative_contact_id is not None else None
        ),
        changed_fields=row.changed_fields,
        counts_from=row.counts_from,
        propagate=row.propagate,
        history_number=row.history_number,
        history_digest=row.history_digest,
    )


async def save_change(
    connection: Connection,
    change: CommittedChange,
    versions: Sequence[NewVersion],
    *,
    card_contact_id: UUID | None,
    representative_contact_id: UUID | None,
) -> None:
    """Stores a change with its new versions, whose owners are locked, and ends and begins what agencies keep.

    The owners' states get their next version. The ids are those of the contacts after the change.
    """
    await connection.change(
        _SAVE,
        versions=[_write_version(version) for version in versions],
        change_id=change.change_id,
        certificate_sha256=change.certificate_sha256,
        request_id=change.request_id,
        request_sha256=change.request_sha256,
        agency=change.agency,
        category=change.category,
        bidder_id=change.bidder_id,
        company=asdict(change.company),
        company_name=change.company.full_name,
        card_contact_id=card_contact_id,
        representative_contact_id=representative_contact_id,
        changed_fields=[*change.changed_fields],
        propagate=change.propagate,
        counts_from=change.counts_from,
        history_number=change.history_number,
        history_digest=change.history_digest,
    )


def _write_version(version: NewVersion) -> Mapping[str, Any]:
    return {
        "owner_id": str(version.owner_id),
        "version": version.version,
        "contact_id": str(version.contact_id),
        "pins": [_write_pin(agency, pin) for agency, pin in version.pins.items()],
        **asdict(version.contact),
    }


def _write_pin(agency: str, pin: Pin) -> Mapping[str, Any]:
    planned_by = None if pin.planned_by is None else str(pin.planned_by)
    return {
        "agency": agency,
        "version": pin.version,
        "planned_by": planned_by,
        "then_version": pin.then_version,
    }
