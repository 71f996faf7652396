"""What a registration is decided by, read in one statement."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from certificate_registry.domain.bidder import BidderStatus
from certificate_registry.domain.binding import BindingState, CardRecord, RegistrationState
from certificate_registry.domain.card_session import SessionScope
from certificate_registry.domain.challenge import Challenge, hash_nonce
from certificate_registry.domain.circumstances import Circumstances
from certificate_registry.domain.outcome import Outcome
from certificate_registry.store.cards import read_proven
from certificate_registry.store.registrations import REGISTER
from servicekit.database_connection import Connection
from servicekit.statements import Statement


def _read_statement(lock: str) -> Statement:
    return Statement(
        text(
            f"""
            SELECT newest.number, newest.bidder_id, newest.ended_as, newest.password_proven, newest.company,
                newest.holder, registration.state, card_state.suspended_because IS NOT NULL AS is_suspended,
                outcome.request_id, outcome.registration_id, outcome.payload_sha256, outcome.request_sha256,
                outcome.category, outcome.agency, known_bidder.status,
                challenge.purpose_sha256, challenge.created_at, challenge.used_at,
                ARRAY(SELECT scope FROM crl ORDER BY scope) AS scopes,
                ARRAY(SELECT sha256 FROM crl ORDER BY scope) AS lists
            FROM (
                SELECT CAST(:certificate_sha256 AS bytea) AS certificate_sha256, CAST(:category AS text) AS category
            ) AS key
            LEFT JOIN LATERAL (
                SELECT number, bidder_id, ended_as, password_proven, company, holder FROM binding
                WHERE binding.certificate_sha256 = key.certificate_sha256 AND binding.category = key.category
                ORDER BY number DESC LIMIT 1
            ) AS newest ON true
            LEFT JOIN registration ON registration.certificate_sha256 = key.certificate_sha256
                AND registration.category = key.category AND registration.agency = CAST(:agency AS text)
                AND registration.binding_number = newest.number
            LEFT JOIN card_state ON card_state.certificate_sha256 = key.certificate_sha256
                AND card_state.category = key.category
            LEFT JOIN request_outcome AS outcome ON outcome.certificate_sha256 = key.certificate_sha256
                AND outcome.method = '{REGISTER}' AND outcome.request_id = CAST(:request_id AS uuid)
            LEFT JOIN challenge ON challenge.nonce_sha256 = CAST(:nonce_sha256 AS bytea)
            LEFT JOIN (
                SELECT status FROM bidder WHERE bidder.bidder_id = CAST(:known_bidder_id AS text) {lock}
            ) AS known_bidder ON true
            """  # noqa: S608  # constants
        )
    )


_READ = _read_statement("")
_READ_AND_LOCK_BIDDER = _read_statement("FOR SHARE")


async def read_circumstances(
    connection: Connection,
    certificate_sha256: bytes,
    scope: SessionScope,
    *,
    request_id: UUID | None = None,
    bidder_id: str | None = None,
    nonce: bytes | None = None,
    lock_bidder: bool = False,
) -> Circumstances:
    """Returns what is stored about a card at an agency and category; and of a request, a bidder and a nonce, if named.

    `lock_bidder` keeps the bidder's status from changing until the transaction ends.
    """
    row = await connection.fetch_row(
        _READ_AND_LOCK_BIDDER if lock_bidder else _READ,
        certificate_sha256=certificate_sha256,
        category=scope.category,
        agency=scope.agency,
        request_id=request_id,
        nonce_sha256=None if nonce is None else hash_nonce(nonce),
        known_bidder_id=bidder_id,
    )
    return Circumstances(
        record=_read_record(row),
        proven=None if row.number is None else read_proven(row),
        outcome=None
        if row.request_id is None
        else Outcome(row.registration_id, row.payload_sha256, row.request_sha256, row.category, row.agency),
        bidder_status=None if row.status is None else BidderStatus(row.status),
        challenge=None
        if nonce is None or row.purpose_sha256 is None
        else Challenge(nonce, row.purpose_sha256, row.created_at, row.used_at),
        list_versions=dict(zip(row.scopes, row.lists, strict=True)),
    )


def _read_record(row: Any) -> CardRecord:
    if row.number is None:
        return CardRecord(is_suspended=row.is_suspended)
    return CardRecord(
        number=row.number,
        state=BindingState(row.ended_as or BindingState.LIVE),
        bound_to=row.bidder_id if row.ended_as is None else None,
        here=None if row.ended_as or row.state is None else RegistrationState(row.state),
        is_suspended=row.is_suspended,
    )
