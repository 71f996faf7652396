"""The proposals in a service's database."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from officers.proposal import Proposal, State
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from signed_acts.purpose import SignedPurpose
from signed_acts.signature import SignatureAlgorithm

EXPIRED = "PROPOSAL_EXPIRED"
_COLUMNS = """
    proposal_id, proposal_sha256, method, request, agency, lines, target_version, proposer, proposed_at, expires_at,
    purpose, algorithm, signature, certificate, state, because, decided_by, decided_at
"""
_SAVE = Statement(
    text(
        """
        INSERT INTO proposal (
            proposal_id, proposal_sha256, method, request, agency, lines, target_version, proposer, proposed_at,
            expires_at, purpose, algorithm, signature, certificate
        ) VALUES (
            :proposal_id, :proposal_sha256, :method, :request, :agency, CAST(:lines AS text[]), :target_version,
            :proposer, :proposed_at, :expires_at, :purpose, :algorithm, :signature, :certificate
        )
        """
    )
)
_FIND = Statement(text(f"SELECT {_COLUMNS} FROM proposal WHERE proposal_id = :proposal_id"))  # noqa: S608  # constants
_LOCK = Statement(
    text(f"SELECT {_COLUMNS} FROM proposal WHERE proposal_id = :proposal_id FOR UPDATE")  # noqa: S608  # constants
)
# An expired one counts as void before anybody wrote that down.
_LIST = Statement(
    text(
        f"""
        SELECT {_COLUMNS} FROM proposal
        WHERE agency = :agency AND method = ANY (CAST(:methods AS text[]))
            AND (
                CAST(:state AS text) IS NULL
                OR CASE WHEN state = 'open' AND expires_at <= :now THEN 'void' ELSE state END = :state
            )
            AND (
                CAST(:after AS uuid) IS NULL
                OR (proposed_at, proposal_id) < (
                    SELECT proposed_at, proposal_id FROM proposal WHERE proposal_id = CAST(:after AS uuid)
                )
            )
        ORDER BY proposed_at DESC, proposal_id DESC
        LIMIT :most
        """  # noqa: S608  # constants
    )
)
_DECIDE = Statement(
    text(
        """
        UPDATE proposal SET state = :state, because = :because, decided_by = :decided_by, decided_at = :decided_at
        WHERE proposal_id = :proposal_id
        """
    )
)
_LOCK_EXPIRED = Statement(
    text(
        f"""
        SELECT {_COLUMNS} FROM proposal WHERE state = 'open' AND expires_at <= :now
        ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
        """  # noqa: S608  # constants
    )
)


async def save_proposal(connection: Connection, proposal: Proposal) -> None:
    """Writes a new proposal."""
    await connection.change(
        _SAVE,
        proposal_id=proposal.proposal_id,
        proposal_sha256=proposal.stored_sha256,
        method=proposal.method,
        request=proposal.request,
        agency=proposal.agency,
        lines=[*proposal.lines],
        target_version=proposal.target_version,
        proposer=proposal.proposer,
        proposed_at=proposal.proposed_at,
        expires_at=proposal.expires_at,
        purpose=proposal.signed.purpose,
        algorithm=proposal.signed.algorithm.value,
        signature=proposal.signed.signature,
        certificate=proposal.certificate,
    )


async def find_proposal(connection: Connection, proposal_id: UUID) -> Proposal | None:
    """Returns a proposal, or None."""
    row = await connection.fetch_row(_FIND, proposal_id=proposal_id)
    return None if row is None else _read(row)


async def lock_proposal(connection: Connection, proposal_id: UUID) -> Proposal | None:
    """Returns a proposal, which nobody else decides until the end of the transaction; or None."""
    row = await connection.fetch_row(_LOCK, proposal_id=proposal_id)
    return None if row is None else _read(row)


async def list_proposals(
    connection: Connection,
    agency: str,
    *,
    methods: Collection[str],
    state: State | None,
    after: UUID | None,
    most: int,
    now: datetime,
) -> list[Proposal]:
    """Returns the proposals of these methods at an agency, the newest first, expired ones as void."""
    rows = await connection.fetch_rows(
        _LIST, agency=agency, methods=[*methods], state=state, after=after, most=most, now=now
    )
    return [show_expiry(_read(row), now) for row in rows]


async def decide(connection: Connection, proposal: Proposal) -> None:
    """Writes what became of a proposal."""
    await connection.change(
        _DECIDE,
        proposal_id=proposal.proposal_id,
        state=proposal.state.value,
        because=proposal.because,
        decided_by=proposal.decided_by,
        decided_at=proposal.decided_at,
    )


async def lock_expired(connection: Connection, now: datetime) -> list[Proposal]:
    """Returns open proposals that expired, at most 100, which nobody else decides until the end of the transaction."""
    return [_read(row) for row in await connection.fetch_rows(_LOCK_EXPIRED, now=now)]


def show_expiry(proposal: Proposal, now: datetime) -> Proposal:
    """Returns a proposal as it counts now: an open one that expired is void."""
    if proposal.state is State.OPEN and proposal.expires_at <= now:
        return replace(proposal, state=State.VOID, because=EXPIRED, decided_at=proposal.expires_at)
    return proposal


def _read(row: Any) -> Proposal:
    return Proposal(
        proposal_id=row.proposal_id,
        method=row.method,
        request=row.request,
        agency=row.agency,
        lines=row.lines,
        target_version=row.target_version,
        proposer=row.proposer,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        signed=SignedPurpose(row.purpose, SignatureAlgorithm(row.algorithm), row.signature),
        certificate=row.certificate,
        stored_sha256=row.proposal_sha256,
        state=State(row.state),
        because=row.because,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
