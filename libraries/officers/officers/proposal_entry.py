"""What the history says of a proposal: each step, and the first one, against which it is held before it is carried out.

Who can write the database can write a proposal and its hash anew, but not an entry that the history's heads prove.
"""

import json
import logging
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from history.entries import Chain, Entry, StoredEntry, digest_details, digest_entry
from history.reading import find_entries
from history.writing import write_history
from officers.act import OfficerAct
from officers.proposal import Proposal, Target
from refusals import Code, Refusal
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)

# Entries of one request: what is done, when the proposal is approved, has the proposer's request_id, too.
_MOST = 100


class ProposalAction(StrEnum):
    """What the history says of proposals."""

    PROPOSED = "proposed"
    APPROVED = "proposal approved"
    REJECTED = "proposal rejected"
    VOIDED = "proposal void"


async def note_step(
    connection: Connection,
    chain: Chain,
    action: ProposalAction,
    proposal: Proposal,
    now: datetime,
    *,
    act: OfficerAct | None = None,
    target: Target | None = None,
) -> None:
    """Writes the entry of what became of a proposal: by an officer's act, or by the service itself."""
    entry = Entry(
        happened_at=now,
        who=f"service {chain.registry}" if act is None else act.who,
        what=action.value,
        request_id=None if act is None else act.request_id,
        agencies=(proposal.agency,),
        category=None if target is None else target.category,
        bidder_id=None if target is None else target.bidder_id,
        certificate_sha256=None if target is None else target.certificate_sha256,
        before={},
        after={
            "proposal_id": str(proposal.proposal_id),
            "proposal_sha256": proposal.stored_sha256.hex(),
            "method": proposal.method,
            "because": proposal.because,
        },
        act=None if act is None else act.signed_act,
    )
    await write_history(connection, chain, [entry])


async def check_entry(connection: Connection, chain: Chain, proposal: Proposal, request_id: UUID) -> None:
    """Checks that the entry of a proposal, whose act has this request_id, has the proposal's hash.

    Raises PROPOSAL_ALTERED, also where there is no such entry or more than one; PROPOSAL_ENTRY_ERASED where its details
    were erased, so that nobody can say.
    """
    entries = await find_entries(connection, "request_id", request_id, most=_MOST)
    details = [_read_details(chain, entry) for entry in entries if entry.what == ProposalAction.PROPOSED]
    hashes = [
        found["after"]["proposal_sha256"]
        for found in details
        if found is not None and found["after"]["proposal_id"] == str(proposal.proposal_id)
    ]
    if hashes == [proposal.stored_sha256.hex()]:
        return
    if not hashes and None in details:
        raise Refusal("PROPOSAL_ENTRY_ERASED", Code.FAILED_PRECONDITION)
    log.error("proposal %s is not what the history says of it", proposal.proposal_id)
    raise Refusal("PROPOSAL_ALTERED", Code.FAILED_PRECONDITION)


def _read_details(chain: Chain, entry: StoredEntry) -> dict[str, Any] | None:
    """Returns the details of an entry, None where they were erased; raises PROPOSAL_ALTERED where they are not its."""
    if entry.salt is None or entry.details is None:
        return None
    digest = digest_details(entry.salt, entry.details)
    if digest != entry.details_digest or digest_entry(chain, entry, digest) != entry.digest:
        log.error("entry %s of the history was altered in the database", entry.number)
        raise Refusal("PROPOSAL_ALTERED", Code.FAILED_PRECONDITION)
    details: dict[str, Any] = json.loads(entry.details)
    return details
