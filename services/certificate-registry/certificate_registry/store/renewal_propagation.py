"""Renewals at further agencies, set by set: the new card takes the old one's place wherever that is good."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text

from certificate_registry.domain.binding import ENDED_BY_RENEWAL, BindingState, RegistrationState
from certificate_registry.domain.propagation import (
    NewRegistrations,
    PropagatedRenewals,
    ReplacedCard,
    Requested,
)
from certificate_registry.domain.registration import Origin
from certificate_registry.store.propagation import REQUEST, VALID_SOURCES, list_columns
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_GOOD = RegistrationState.GOOD.value

# The old card is replaced where it is good and neither it nor the new one is suspended, whatever became of its
# certificate since the renewal: CAs revoke an old card when they issue a new one. Where the new card is registered
# already, only the old one is replaced. Of several renewals one card takes an old one's place at an agency.
_REPLACE = Statement(
    text(
        f"""
        WITH {REQUEST}, {VALID_SOURCES}, target AS MATERIALIZED (
            SELECT DISTINCT ON (old.certificate_sha256, old.category, old.agency)
                valid.registration_id, valid.certificate_sha256, valid.category, valid.bidder_id,
                valid.binding_number, valid.registered_at, old.agency, old.certificate_sha256 AS old_certificate_sha256,
                old.binding_number AS old_number, existing.registration_id IS NULL AS is_new
            FROM requested
            JOIN valid USING (registration_id)
            JOIN registration AS old ON old.certificate_sha256 = valid.predecessor AND old.category = valid.category
                AND old.agency = requested.agency AND old.state = '{_GOOD}' AND old.bidder_id = valid.bidder_id
            LEFT JOIN card_state AS old_state ON old_state.certificate_sha256 = old.certificate_sha256
                AND old_state.category = old.category
            LEFT JOIN registration AS existing ON existing.certificate_sha256 = valid.certificate_sha256
                AND existing.category = valid.category AND existing.agency = requested.agency
                AND existing.binding_number = valid.binding_number
            WHERE valid.origin = '{Origin.RENEWAL.value}' AND NOT valid.stays_here
                AND old_state.suspended_because IS NULL
                AND coalesce(existing.state = '{_GOOD}', true)
                AND requested.agency <> ALL (valid.suspended_agencies)
            ORDER BY old.certificate_sha256, old.category, old.agency, valid.registered_at, valid.registration_id
        ), made AS (
            INSERT INTO registration (
                certificate_sha256, category, agency, binding_number, registration_id, bidder_id, registered_at, origin,
                predecessor
            )
            SELECT DISTINCT ON (certificate_sha256, category, agency)
                certificate_sha256, category, agency, binding_number, gen_random_uuid(), bidder_id,
                CAST(:now AS timestamptz), '{Origin.PROPAGATION.value}', old_certificate_sha256
            FROM target WHERE is_new
            ORDER BY certificate_sha256, category, agency, registered_at
            RETURNING certificate_sha256, category, agency, registration_id, bidder_id
        ), replaced AS (
            UPDATE registration SET state = '{RegistrationState.REPLACED.value}', reason = '{ENDED_BY_RENEWAL}',
                replaced_by = target.certificate_sha256
            FROM target
            WHERE registration.certificate_sha256 = target.old_certificate_sha256
                AND registration.category = target.category AND registration.agency = target.agency
                AND registration.binding_number = target.old_number
            RETURNING registration.certificate_sha256, registration.category, registration.agency,
                registration.binding_number, registration.bidder_id, registration.replaced_by
        ), closed AS (
            UPDATE binding SET ended_at = CAST(:now AS timestamptz), ended_as = '{BindingState.CLOSED.value}',
                ended_because = '{ENDED_BY_RENEWAL}'
            FROM (SELECT DISTINCT certificate_sha256, category, binding_number FROM replaced) AS done
            WHERE binding.certificate_sha256 = done.certificate_sha256 AND binding.category = done.category
                AND binding.number = done.binding_number AND binding.ended_at IS NULL
                AND NOT EXISTS (
                    SELECT FROM registration AS other
                    WHERE other.certificate_sha256 = done.certificate_sha256 AND other.category = done.category
                        AND other.binding_number = done.binding_number
                        AND other.state IN ('{_GOOD}', '{RegistrationState.SUSPENDED.value}')
                        AND NOT EXISTS (
                            SELECT FROM replaced
                            WHERE replaced.certificate_sha256 = other.certificate_sha256
                                AND replaced.category = other.category AND replaced.agency = other.agency
                        )
                )
        ), changed AS MATERIALIZED (
            SELECT certificate_sha256, category, bidder_id, NULL AS replaced_by,
                json_object_agg(agency, registration_id ORDER BY agency) AS registrations, (
                    SELECT array_agg(DISTINCT CAST(target.registration_id AS text)) FROM target
                    WHERE target.certificate_sha256 = made.certificate_sha256 AND target.category = made.category
                ) AS sources
            FROM made
            GROUP BY certificate_sha256, category, bidder_id
            UNION ALL
            SELECT certificate_sha256, category, bidder_id, replaced_by,
                json_object_agg(agency, NULL ORDER BY agency), NULL
            FROM replaced
            GROUP BY certificate_sha256, category, bidder_id, replaced_by
        ), numbered AS (
            INSERT INTO card_state AS known (certificate_sha256, category, version_epoch, version_number)
            SELECT DISTINCT certificate_sha256, category, epoch.epoch, 1 FROM changed, epoch
            ON CONFLICT (certificate_sha256, category) DO UPDATE SET version_epoch = excluded.version_epoch,
                version_number = known.version_number + 1
        )
        SELECT certificate_sha256, category, bidder_id, replaced_by, registrations, sources
        FROM changed
        ORDER BY certificate_sha256, category, replaced_by NULLS FIRST
        """  # noqa: S608  # constants
    )
)


async def insert_propagated_renewals(connection: Connection, requested: Requested, now: datetime) -> PropagatedRenewals:
    """Replaces old cards at further agencies by the cards of these renewals, and gives each state its next version.

    The caller has locked all cards concerned (`propagation.lock_cards`).
    """
    rows = await connection.fetch_rows(_REPLACE, **list_columns(requested), now=now)
    new = [
        NewRegistrations(row.certificate_sha256, row.category, row.bidder_id, row.sources, row.registrations)
        for row in rows
        if row.replaced_by is None
    ]
    replaced: Sequence[ReplacedCard] = [
        ReplacedCard(row.certificate_sha256, row.category, row.bidder_id, row.replaced_by, list(row.registrations))
        for row in rows
        if row.replaced_by is not None
    ]
    return PropagatedRenewals(new, replaced)
