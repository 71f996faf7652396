"""The states of cards, the newest version of each."""

from collections.abc import Collection, Sequence, Set
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from contact_notification.domain.card_state import CardState
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# The conflicting row is locked before versions are compared, so of two concurrent deliveries the newer one remains.
_RECORD = Statement(
    text(
        """
        WITH recorded AS (
            INSERT INTO card_states AS kept
                (certificate_sha256, category, bidder_id, agencies, version_epoch, version_number)
            SELECT certificate_sha256, category, bidder_id, agencies, version_epoch, version_number
            FROM jsonb_to_recordset(:states) AS state (
                certificate_sha256 bytea, category text, bidder_id text, agencies text[],
                version_epoch bigint, version_number bigint
            )
            ORDER BY certificate_sha256, category
            ON CONFLICT (certificate_sha256, category) DO UPDATE
            SET bidder_id = excluded.bidder_id, agencies = excluded.agencies,
                version_epoch = excluded.version_epoch, version_number = excluded.version_number
            WHERE (kept.version_epoch, kept.version_number) < (excluded.version_epoch, excluded.version_number)
        )
        SELECT certificate_sha256, request_id
        FROM unnest(CAST(:certificates AS bytea[]), CAST(:request_ids AS uuid[]))
            AS named (certificate_sha256, request_id)
        WHERE NOT EXISTS (
            SELECT FROM staged_registrations AS staged
            WHERE staged.certificate_sha256 = named.certificate_sha256 AND staged.request_id = named.request_id
                AND staged.state = 'active'
        )
        """
    ).bindparams(bindparam("states", type_=JSONB))
)


async def record_card_states(
    connection: Connection, states: Sequence[CardState], requests: Collection[tuple[bytes, UUID]] = ()
) -> Set[tuple[bytes, UUID]]:
    """Writes each state unless the same or a higher version is kept; each card and category occurs once.

    Returns those of the requests that the states name (certificate's SHA-256, request id) whose contacts are not active
    yet; nearly always there are none. Rows are written in the order of their keys, so that concurrent
    transactions wait for each other in turn and never in a circle.
    """
    if not states:
        return frozenset()
    rows = await connection.fetch_rows(
        _RECORD,
        states=[
            {
                "certificate_sha256": f"\\x{state.certificate_sha256.hex()}",
                "category": state.category,
                "bidder_id": state.bidder_id,
                "agencies": state.agencies,
                "version_epoch": state.version.epoch,
                "version_number": state.version.number,
            }
            for state in states
        ],
        certificates=[certificate_sha256 for certificate_sha256, _ in requests],
        request_ids=[request_id for _, request_id in requests],
    )
    return {(certificate_sha256, request_id) for certificate_sha256, request_id in rows}
