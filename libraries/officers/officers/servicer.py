"""The gRPC services OfficerActs, OfficerDirectory and Proposals, which a service adds to its server with one line."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from typing_extensions import override

from history.entries import Chain
from officers.challenges import ActChallenges, ActFacts
from officers.convert import read_officer_state
from officers.directory import record_officers
from officers.methods import ActMethods
from officers.proposal import FourEyesHandler, State
from officers.proposals import Proposals
from officers.words import ActWords, MethodWords, load_words
from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.identity import RegisteredCallers, caller
from servicekit.messages import check_request_id, find_uuid, write_timestamp
from toroku.officer.v1 import (
    officer_acts_pb2,
    officer_acts_pb2_grpc,
    officer_directory_pb2,
    officer_directory_pb2_grpc,
    proposals_pb2,
    proposals_pb2_grpc,
)

MOST_OFFICERS = 500
MOST_PROPOSALS = 100
_STATES = {
    proposals_pb2.PROPOSAL_STATE_UNSPECIFIED: None,
    proposals_pb2.PROPOSAL_STATE_OPEN: State.OPEN,
    proposals_pb2.PROPOSAL_STATE_APPROVED: State.APPROVED,
    proposals_pb2.PROPOSAL_STATE_REJECTED: State.REJECTED,
    proposals_pb2.PROPOSAL_STATE_VOID: State.VOID,
}
_ACTS = officer_acts_pb2.DESCRIPTOR.services_by_name["OfficerActs"]
_DIRECTORY = officer_directory_pb2.DESCRIPTOR.services_by_name["OfficerDirectory"]
_PROPOSALS = proposals_pb2.DESCRIPTOR.services_by_name["Proposals"]

Services: TypeAlias = Mapping[ServiceDescriptor, Callable[[grpc.aio.Server], None]]


class Officers:
    """What officers do at a service: `methods` reads the acts of requests, `proposals` has what two of them decide.

    `services` are the service's own gRPC services, `callers` is the file of callers; `words` are those of the library
    unless others are given, `facts` what they say beside the fields of requests. Raises LookupError, before anything
    listens, for a method with an act that has no words, and for one with `four_eyes` that has no handler.
    """

    def __init__(
        self,
        *,
        database: Database,
        chain: Chain,
        services: Iterable[ServiceDescriptor],
        handlers: Iterable[FourEyesHandler] = (),
        facts: Iterable[ActFacts] = (),
        callers: Path | None,
        clock: DatabaseClock,
        words: Mapping[str, MethodWords] | None = None,
    ) -> None:
        self._database = database
        self._chain = chain
        self._clock = clock
        self._handlers = tuple(handlers)
        self._facts = {known.method: known for known in facts}
        self._words = load_words() if words is None else words
        self.methods = ActMethods(chain.instance, [*services, *([_PROPOSALS] if self._handlers else [])])
        self.proposals = Proposals(
            database=database,
            chain=chain,
            methods=self.methods,
            handlers=self._handlers,
            registered=RegisteredCallers(callers),
            clock=clock,
        )

    def offer(self) -> Services:
        """Returns the services, with what adds them to a server, as `servicekit.server.serve` takes them.

        A service that does not own the officers offers their directory, too (`offer_directory`).
        """
        words = ActWords(
            {name: self.methods.find(name).request_type for name in self.methods.names},
            self._words,
            {method: known.names for method, known in self._facts.items()},
        )
        challenges = ActChallenges(self._chain.instance, self.methods, words, self._facts)
        acts = OfficerActsServicer(self._database, self.methods, challenges, self.proposals, self._clock)
        offered: dict[ServiceDescriptor, Callable[[grpc.aio.Server], None]] = {
            _ACTS: partial(officer_acts_pb2_grpc.add_OfficerActsServicer_to_server, acts)
        }
        if self._handlers:
            servicer = ProposalsServicer(self.proposals)
            offered[_PROPOSALS] = partial(proposals_pb2_grpc.add_ProposalsServicer_to_server, servicer)
        return offered


def offer_directory(database: Database) -> Services:
    """Returns the service OfficerDirectory, for a service that is told of officers by their owner."""
    add = partial(officer_directory_pb2_grpc.add_OfficerDirectoryServicer_to_server, OfficerDirectoryServicer(database))
    return {_DIRECTORY: add}


class OfficerActsServicer(officer_acts_pb2_grpc.OfficerActsServicer):
    """The acts that officers are asked to sign."""

    def __init__(
        self,
        database: Database,
        methods: ActMethods,
        challenges: ActChallenges,
        proposals: Proposals,
        clock: DatabaseClock,
    ) -> None:
        self._database = database
        self._methods = methods
        self._challenges = challenges
        self._proposals = proposals
        self._clock = clock

    @override
    async def CreateActChallenge(
        self, request: officer_acts_pb2.CreateActChallengeRequest, context: Context
    ) -> officer_acts_pb2.CreateActChallengeResponse:
        method = self._methods.find(request.method)
        proposed = self._challenges.read(method, request.request, caller())
        request_id = check_request_id(request.request_id)
        async with self._database.transaction() as connection:
            further: tuple[str, ...] = ()
            if method.name.startswith(f"{_PROPOSALS.full_name}/"):
                further = await self._proposals.find_lines(connection, proposed.proposal_id, caller())
            to_sign = await self._challenges.create(
                connection, method, proposed, request_id, caller(), await self._clock(connection), further=further
            )
        return officer_acts_pb2.CreateActChallengeResponse(
            purpose=to_sign.purpose, expires_at=write_timestamp(to_sign.expires_at)
        )


class OfficerDirectoryServicer(officer_directory_pb2_grpc.OfficerDirectoryServicer):
    """The officers as certificate-registry reports them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    async def RecordOfficers(
        self, request: officer_directory_pb2.RecordOfficersRequest, context: Context
    ) -> officer_directory_pb2.RecordOfficersResponse:
        if len(request.officers) > MOST_OFFICERS:
            raise Refusal("INPUT_TOO_LARGE", Code.INVALID_ARGUMENT, {"most": str(MOST_OFFICERS)})
        states = [read_officer_state(officer) for officer in request.officers]
        async with self._database.transaction() as connection:
            await record_officers(connection, states)
        return officer_directory_pb2.RecordOfficersResponse()


class ProposalsServicer(proposals_pb2_grpc.ProposalsServicer):
    """What one officer proposes and another one decides."""

    def __init__(self, proposals: Proposals) -> None:
        self._proposals = proposals

    @override
    async def ListProposals(
        self, request: proposals_pb2.ListProposalsRequest, context: Context
    ) -> proposals_pb2.ListProposalsResponse:
        if request.state not in _STATES:
            raise Refusal("PROPOSAL_STATE_UNKNOWN", Code.INVALID_ARGUMENT)
        proposals = await self._proposals.list(
            request.agency,
            caller(),
            state=_STATES[request.state],
            after=find_uuid(request.after),
            most=min(request.most, MOST_PROPOSALS) if request.most > 0 else MOST_PROPOSALS,
        )
        return proposals_pb2.ListProposalsResponse(proposals=proposals)

    @override
    async def GetProposal(
        self, request: proposals_pb2.GetProposalRequest, context: Context
    ) -> proposals_pb2.GetProposalResponse:
        proposal = await self._proposals.get(request.proposal_id, caller())
        return proposals_pb2.GetProposalResponse(proposal=proposal)

    @override
    async def ApproveProposal(
        self, request: proposals_pb2.ApproveProposalRequest, context: Context
    ) -> proposals_pb2.ApproveProposalResponse:
        approved = await self._proposals.approve(request, caller())
        return proposals_pb2.ApproveProposalResponse(
            proposal=approved.record, not_yet_effective_at=approved.not_yet_effective_at
        )

    @override
    async def RejectProposal(
        self, request: proposals_pb2.RejectProposalRequest, context: Context
    ) -> proposals_pb2.RejectProposalResponse:
        proposal = await self._proposals.reject(request, caller())
        return proposals_pb2.RejectProposalResponse(proposal=proposal)
