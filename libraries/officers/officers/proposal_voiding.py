"""Proposals become void: at an attempt to approve one that can't be carried out, or where nobody decided in time."""

from dataclasses import replace
from datetime import datetime

from history.entries import Chain
from officers import proposal_store
from officers.proposal import Proposal, State
from officers.proposal_entry import ProposalAction, note_step
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection


async def void_proposal(
    connection: Connection, chain: Chain, proposal: Proposal, because: str, now: datetime
) -> Proposal:
    """Voids an open proposal, whose row the transaction has locked; returns it as it is then."""
    proposal = replace(proposal, state=State.VOID, because=because, decided_at=now)
    await proposal_store.decide(connection, proposal)
    await note_step(connection, chain, ProposalAction.VOIDED, proposal, now)
    return proposal


async def void_expired(database: Database, chain: Chain, clock: DatabaseClock) -> int:
    """Voids the proposals that nobody decided in time, some in each transaction; returns how many."""
    count = 0
    while True:
        async with database.transaction() as connection:
            now = await clock(connection)
            expired = await proposal_store.lock_expired(connection, now)
            for proposal in expired:
                await void_proposal(connection, chain, proposal, proposal_store.EXPIRED, now)
        if not expired:
            return count
        count += len(expired)
