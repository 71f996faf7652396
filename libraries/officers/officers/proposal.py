"""A proposal, which two persons decide: what it is, its hash, and what a service does for one of its methods."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from officers.act import OfficerAct, write_signed_purpose
from servicekit.database_connection import Connection
from servicekit.identity import find_person
from servicekit.messages import write_timestamp
from signed_acts.purpose import SignedPurpose
from signed_acts.request import hash_canonical
from toroku.officer.v1 import proposals_pb2

LIFETIME = timedelta(days=7)


class State(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"


_STATES = {
    State.OPEN: proposals_pb2.PROPOSAL_STATE_OPEN,
    State.APPROVED: proposals_pb2.PROPOSAL_STATE_APPROVED,
    State.REJECTED: proposals_pb2.PROPOSAL_STATE_REJECTED,
    State.VOID: proposals_pb2.PROPOSAL_STATE_VOID,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a proposed request is about: the agency at which it takes effect (or "operator"), and its state now.

    The others are for the history's columns.
    """

    agency: str
    version: str
    category: str | None = None
    bidder_id: str | None = None
    certificate_sha256: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The approver's act, and the proposer's over the request that is carried out (`proposed.request_id` is its id)."""

    act: OfficerAct
    proposed: OfficerAct
    proposal_id: UUID
    proposal_sha256: bytes


class FourEyesHandler(Protocol):
    """What a service does for one of its methods with `four_eyes`. Requests are messages of the method, without act."""

    @property
    def method(self) -> str:
        """The full name: `package.Service/Method`."""
        ...

    async def find_target(self, connection: Connection, request: Any) -> Target:
        """Returns the target as it is now; raises a refusal where the request can't be proposed or carried out.

        Such a refusal voids a proposal at its approval, unless it says that this can't be told now (UNAVAILABLE).
        """
        ...

    async def carry_out(self, connection: Connection, request: Any, approval: Approval, now: datetime) -> None:
        """Does it, in the transaction of the approval, with a history entry of its own."""
        ...

    async def tell_others(self, request: Any, /) -> Sequence[str]:
        """Tells other services what was done; returns the names of those that could not be told yet.

        Called after the commit, and again whenever the approval is repeated.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposal as it is stored, and what became of it.

    `request` is the canonical JSON of the request without its act, `certificate` (DER) the proposer's.
    """

    proposal_id: UUID
    method: str
    request: str
    agency: str
    lines: Sequence[str]
    target_version: str
    proposer: str
    proposed_at: datetime
    expires_at: datetime
    signed: SignedPurpose = field(repr=False)
    certificate: bytes = field(repr=False)
    stored_sha256: bytes
    state: State = State.OPEN
    because: str = ""
    decided_by: str = ""
    decided_at: datetime | None = None

    @property
    def proposer_id(self) -> str:
        """The proposer's person_id."""
        return find_person(self.proposer)


def write_proposal(proposal: Proposal, *, instance: str, service: str) -> proposals_pb2.Proposal:
    """Returns what a proposal's hash covers."""
    return proposals_pb2.Proposal(
        proposal_id=str(proposal.proposal_id),
        instance=instance,
        service=service,
        method=proposal.method,
        request=proposal.request,
        agency=proposal.agency,
        lines=proposal.lines,
        target_version=proposal.target_version,
        proposer=proposal.proposer,
        proposed_at=write_timestamp(proposal.proposed_at),
        expires_at=write_timestamp(proposal.expires_at),
        act=write_signed_purpose(proposal.signed),
    )


def write_record(proposal: Proposal, *, instance: str, service: str) -> proposals_pb2.ProposalRecord:
    """Returns a proposal with its hash, computed anew, and what became of it."""
    message = write_proposal(proposal, instance=instance, service=service)
    record = proposals_pb2.ProposalRecord(
        proposal=message,
        proposal_sha256=hash_canonical(message),
        state=_STATES[proposal.state],
        because=proposal.because,
        decided_by=proposal.decided_by,
    )
    if proposal.decided_at is not None:
        record.decided_at.CopyFrom(write_timestamp(proposal.decided_at))
    return record
