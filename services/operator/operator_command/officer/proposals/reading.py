"""Proposals, found at the service whose they are, and held against what their proposer signed."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import grpc

from operator_command.officer.acts.session import ActingSession, ask_service
from refusals import Code, Refusal
from signed_acts.purpose import decode, require_act
from signed_acts.request import hash_canonical
from toroku.officer.v1.proposals_pb2 import (
    GetProposalRequest,
    ListProposalsRequest,
    ProposalRecord,
    ProposalState,
)
from toroku.officer.v1.proposals_pb2_grpc import ProposalsStub

_UNKNOWN = "PROPOSAL_UNKNOWN"


@contextmanager
def open_proposal(session: ActingSession, proposal_id: str) -> Iterator[tuple[grpc.Channel, ProposalRecord]]:
    """Yields a proposal, and a channel to the service whose it is. Raises PROPOSAL_UNKNOWN, PROPOSAL_ALTERED."""
    for service in session.services:
        with session.open(service) as channel:
            try:
                response = ask_service(ProposalsStub(channel).GetProposal, GetProposalRequest(proposal_id=proposal_id))
            except Refusal as refusal:
                if refusal.reason != _UNKNOWN:
                    raise
                continue
            require_unaltered(response.proposal)
            yield channel, response.proposal
            return
    raise Refusal(_UNKNOWN, Code.NOT_FOUND)


def list_proposals(
    session: ActingSession, agency: str, state: ProposalState.ValueType, most: int
) -> list[ProposalRecord]:
    """Returns the newest proposals of an agency at all services, the newest first."""
    found: list[ProposalRecord] = []
    request = ListProposalsRequest(agency=agency, state=state, most=most)
    for service in session.services:
        with session.open(service) as channel:
            found += ask_service(ProposalsStub(channel).ListProposals, request).proposals
    found.sort(key=lambda record: record.proposal.proposed_at.ToNanoseconds(), reverse=True)
    return found[:most]


def require_unaltered(record: ProposalRecord) -> None:
    """Checks that a proposal has the hash that its approver signs, and is what its proposer was shown and signed.

    The proposer's signature is the service's to verify, which knows the certificate. Raises PROPOSAL_ALTERED.
    """
    proposal = record.proposal
    try:
        purpose = decode(proposal.act.purpose)
        act = require_act(purpose)
    except Refusal:
        raise Refusal("PROPOSAL_ALTERED", Code.DATA_LOSS) from None
    expected = (proposal.method, sha256(proposal.request.encode()).digest(), tuple(proposal.lines))
    signed = (purpose.operation, act.request_sha256, act.lines)
    if signed != expected or hash_canonical(proposal) != record.proposal_sha256:
        raise Refusal("PROPOSAL_ALTERED", Code.DATA_LOSS)
