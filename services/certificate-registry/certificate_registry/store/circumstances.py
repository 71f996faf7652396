"""What a registration is decided by, read in one statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from certificate_registry.domain.bidder import BidderStatus
from certificate_registry.domain.binding import ENDED_BY_RENEWAL, BindingState, CardRecord, RegistrationState
from certificate_registry.domain.card_session import AuthenticatedSession, SessionScope
from certificate_registry.domain.challenge import Challenge, hash_nonce
from certificate_registry.domain.circumstances import Circumstances, CommitCircumstances
from certificate_registry.domain.outcome import Method, Outcome
from certificate_registry.store.cards import read_proven
from certificate_registry.store.log_in import RENEWED_AT, SESSION, SESSION_COLUMNS, read_session, write_renewed
from certificate_registry.store.revocation_lists import VERSION_COLUMNS, read_listed_versions
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_COLUMNS = f"""
    newest.number, newest.bidder_id, newest.ended_as, newest.ended_because, newest.password_proven, newest.company,
    newest.holder, registration.state, card_state.suspended_because IS NOT NULL AS is_suspended,
    outcome.request_id, outcome.registration_id, outcome.payload_sha256, outcome.request_sha256,
    outcome.category, outcome.agency, known_bidder.status_here, {VERSION_COLUMNS}
"""


def _join_circumstances(lock: str = "") -> str:
    """Returns what is joined to `key`: a certificate's hash and a category."""
    return f"""
        LEFT JOIN LATERAL (
            SELECT number, bidder_id, ended_as, ended_because, password_proven, company, holder FROM binding
            WHERE binding.certificate_sha256 = key.certificate_sha256 AND binding.category = key.category
            ORDER BY number DESC LIMIT 1
        ) AS newest ON true
        LEFT JOIN registration ON registration.certificate_sha256 = key.certificate_sha256
            AND registration.category = key.category AND registration.agency = CAST(:agency AS text)
            AND registration.binding_number = newest.number
        LEFT JOIN card_state ON card_state.certificate_sha256 = key.certificate_sha256
            AND card_state.category = key.category
        LEFT JOIN request_outcome AS outcome ON outcome.certificate_sha256 = key.certificate_sha256
            AND outcome.method = CAST(:method AS text) AND outcome.request_id = CAST(:request_id AS uuid)
        LEFT JOIN LATERAL (
            SELECT CASE
                WHEN status = '{BidderStatus.ACTIVE}' AND CAST(:agency AS text) = ANY (suspended_agencies)
                    THEN '{BidderStatus.SUSPENDED}'
                ELSE status
            END AS status_here
            FROM bidder_state
            WHERE bidder_state.category = key.category AND bidder_state.bidder_id = coalesce(
                CAST(:known_bidder_id AS text), CASE WHEN newest.ended_as IS NULL THEN newest.bidder_id END
            )
            {lock}
        ) AS known_bidder ON true
    """  # noqa: S608  # constants


_KEY = "(SELECT CAST(:certificate_sha256 AS bytea) AS certificate_sha256, CAST(:category AS text) AS category) AS key"
_READ = Statement(text(f"SELECT {_COLUMNS} FROM {_KEY} {_join_circumstances()}"))  # noqa: S608  # constants
_READ_FOR_COMMIT = Statement(
    text(
        f"""
        SELECT {_COLUMNS}, challenge.purpose_sha256, challenge.created_at, challenge.used_at
        FROM {_KEY} {_join_circumstances("FOR SHARE")}
        LEFT JOIN challenge ON challenge.nonce_sha256 = CAST(:nonce_sha256 AS bytea)
        """  # noqa: S608  # constants
    )
)
# Of the two cards of a renewal.
_READ_FOR_RENEWAL = Statement(
    text(
        f"""
        SELECT key.certificate_sha256, {_COLUMNS}, challenge.purpose_sha256, challenge.created_at, challenge.used_at
        FROM (
            SELECT asked.certificate_sha256, asked.nonce_sha256, CAST(:category AS text) AS category
            FROM unnest(CAST(:certificates AS bytea[]), CAST(:nonces AS bytea[]))
                AS asked(certificate_sha256, nonce_sha256)
        ) AS key
        {_join_circumstances("FOR SHARE")}
        LEFT JOIN challenge ON challenge.nonce_sha256 = key.nonce_sha256
        """  # noqa: S608  # constants
    )
)
_READ_WITH_SESSIONS = Statement(
    text(
        f"""
        WITH {write_renewed("= ANY (CAST(:tokens_sha256 AS bytea[]))")}
        SELECT session.token_sha256, {SESSION_COLUMNS}, {RENEWED_AT}, {_COLUMNS}
        FROM {SESSION}
        CROSS JOIN LATERAL (SELECT session.certificate_sha256, CAST(:category AS text) AS category) AS key
        {_join_circumstances()}
        WHERE session.token_sha256 = ANY (CAST(:tokens_sha256 AS bytea[]))
        """  # noqa: S608  # constants
    )
)


async def read_circumstances(
    connection: Connection,
    certificate_sha256: bytes,
    scope: SessionScope,
    *,
    request_id: UUID | None,
    method: Method = Method.REGISTER,
) -> Circumstances:
    """Returns what is stored about a card at an agency and category, its bidder there, and of a request, if named.

    The request is one of this method.
    """
    row = await connection.fetch_row(
        _READ,
        certificate_sha256=certificate_sha256,
        category=scope.category,
        agency=scope.agency,
        request_id=request_id,
        method=method.value,
        known_bidder_id=None,
    )
    return _read(row)


async def read_commit_circumstances(
    connection: Connection,
    certificate_sha256: bytes,
    scope: SessionScope,
    *,
    request_id: UUID,
    bidder_id: str | None,
    nonce: bytes | None,
    method: Method = Method.REGISTER,
) -> tuple[Circumstances, Challenge | None]:
    """Returns what `read_circumstances` returns, of a named bidder; and the challenge with a nonce, if there is one.

    The bidder's status does not change until the transaction ends.
    """
    row = await connection.fetch_row(
        _READ_FOR_COMMIT,
        certificate_sha256=certificate_sha256,
        category=scope.category,
        agency=scope.agency,
        request_id=request_id,
        method=method.value,
        nonce_sha256=None if nonce is None else hash_nonce(nonce),
        known_bidder_id=bidder_id,
    )
    return _read(row), _read_challenge(row, nonce)


async def read_renewal_circumstances(
    connection: Connection,
    nonces: Mapping[bytes, bytes | None],
    scope: SessionScope,
    *,
    request_id: UUID,
    bidder_id: str | None,
) -> Mapping[bytes, CommitCircumstances]:
    """Returns what `read_commit_circumstances` returns, by card (SHA-256), with the nonce of each.

    The request is a renewal's, of its new card.
    """
    rows = await connection.fetch_rows(
        _READ_FOR_RENEWAL,
        certificates=list(nonces),
        nonces=[None if nonce is None else hash_nonce(nonce) for nonce in nonces.values()],
        category=scope.category,
        agency=scope.agency,
        request_id=request_id,
        method=Method.RENEW.value,
        known_bidder_id=bidder_id,
    )
    return {
        row.certificate_sha256: CommitCircumstances(_read(row), _read_challenge(row, nonces[row.certificate_sha256]))
        for row in rows
    }


async def use_sessions_with_circumstances(
    connection: Connection,
    tokens_sha256: Sequence[bytes],
    scope: SessionScope,
    *,
    request_id: UUID | None,
    bidder_id: str | None,
    now: datetime | None,
    method: Method = Method.REGISTER,
) -> Mapping[bytes, tuple[AuthenticatedSession, Circumstances]]:
    """Returns what `log_in.use_session` returns, by token, with what is stored of each card, a request and a bidder.

    The sessions have this scope but for their roles. An unknown token is left out.
    """
    rows = await connection.fetch_rows(
        _READ_WITH_SESSIONS,
        tokens_sha256=list(tokens_sha256),
        operation=scope.operation.value,
        category=scope.category,
        agency=scope.agency,
        request_id=request_id,
        method=method.value,
        known_bidder_id=bidder_id,
        now=now,
    )
    return {row.token_sha256: (read_session(row), _read(row)) for row in rows}


def _read_challenge(row: Any, nonce: bytes | None) -> Challenge | None:
    if nonce is None or row.purpose_sha256 is None:
        return None
    return Challenge(nonce, row.purpose_sha256, row.created_at, row.used_at)


def _read(row: Any) -> Circumstances:
    return Circumstances(
        record=_read_record(row),
        proven=None if row.number is None else read_proven(row),
        outcome=None
        if row.request_id is None
        else Outcome(row.registration_id, row.payload_sha256, row.request_sha256, row.category, row.agency),
        bidder_status=None if row.status_here is None else BidderStatus(row.status_here),
        list_versions=read_listed_versions(row),
    )


def _read_record(row: Any) -> CardRecord:
    if row.number is None:
        return CardRecord(is_suspended=row.is_suspended)
    return CardRecord(
        number=row.number,
        state=BindingState(row.ended_as or BindingState.LIVE),
        bound_to=row.bidder_id if row.ended_as is None else None,
        here=_find_state_here(row),
        is_suspended=row.is_suspended,
    )


def _find_state_here(row: Any) -> RegistrationState | None:
    if row.ended_as is None:
        return None if row.state is None else RegistrationState(row.state)
    is_replaced = row.state == RegistrationState.REPLACED or row.ended_because == ENDED_BY_RENEWAL
    return RegistrationState.REPLACED if row.ended_as == BindingState.CLOSED and is_replaced else None
