"""Four eyes: what one officer proposes, another one approves and so carries out, or rejects."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from history.entries import Chain
from officers import proposal_store
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, require_officer, save_outcome, take_act
from officers.directory import lock_officer
from officers.methods import ActMethods, strip_act, write_canonical
from officers.proposal import (
    LIFETIME,
    Approval,
    FourEyesHandler,
    Proposal,
    State,
    Target,
    write_proposal,
    write_record,
)
from officers.proposal_entry import ProposalAction, check_entry, note_step
from officers.proposal_voiding import void_proposal
from refusals import Code, Refusal
from servicekit.access import check_person
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.identity import Caller, Kind, RegisteredCallers, require_acts_for
from servicekit.messages import find_uuid
from signed_acts.request import hash_canonical
from toroku.officer.v1 import proposals_pb2

log = logging.getLogger(__name__)

# Refusals that say nothing of the target, which can be asked for again.
_PASSING = (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.INTERNAL)


@dataclass(frozen=True, slots=True)
class Approved:
    """An approved proposal, and which services do not know of it yet."""

    record: proposals_pb2.ProposalRecord
    not_yet_effective_at: Sequence[str]


class Proposals:
    """The proposals of a service. `registered` has the officers of the file of callers."""

    def __init__(
        self,
        *,
        database: Database,
        chain: Chain,
        methods: ActMethods,
        handlers: Iterable[FourEyesHandler],
        registered: RegisteredCallers,
        clock: DatabaseClock,
    ) -> None:
        self._database = database
        self._chain = chain
        self._methods = methods
        self._handlers: Mapping[str, FourEyesHandler] = {handler.method: handler for handler in handlers}
        self._registered = registered
        self._clock = clock
        expected = {name for name in methods.names if methods.find(name).access.four_eyes}
        if expected != self._handlers.keys():
            raise LookupError(f"methods with four_eyes and their handlers differ: {expected ^ self._handlers.keys()}")

    async def propose(self, request: Any, caller: Caller) -> proposals_pb2.ProposalRecord:
        """Makes a proposal of a request with its signed act.

        Raises as `ActMethods.read`, `take_act` and the handler; AGENCY_NOT_OWN.
        """
        act = self._methods.read(request, caller)
        handler = self._handlers[act.method]
        request = strip_act(request)
        async with self._database.transaction() as connection:
            now = await self._clock(connection)
            if (outcome := await find_outcome(connection, act)) is not None:
                return self._write(await self._find(connection, outcome["proposal_id"]))
            await take_act(connection, act, now)
            target = await handler.find_target(connection, request)
            require_acts_for(caller, target.agency)
            proposal = Proposal(
                proposal_id=uuid4(),
                method=act.method,
                request=write_canonical(request),
                agency=target.agency,
                lines=() if act.purpose.act is None else act.purpose.act.lines,
                target_version=target.version,
                proposer=caller.name,
                proposed_at=now,
                expires_at=now + LIFETIME,
                signed=act.signed,
                certificate=caller.certificate,
                stored_sha256=b"",
            )
            proposal = replace(proposal, stored_sha256=self._hash(proposal))
            await proposal_store.save_proposal(connection, proposal)
            await note_step(connection, self._chain, ProposalAction.PROPOSED, proposal, now, act=act, target=target)
            await save_outcome(connection, act, {"proposal_id": str(proposal.proposal_id)})
            return self._write(proposal)

    async def approve(self, request: proposals_pb2.ApproveProposalRequest, caller: Caller) -> Approved:
        """Carries a proposal out, by the act of another person. Voids one that can't be carried out any more.

        Raises as `ActMethods.read`, `take_act` and the handler; PROPOSAL_UNKNOWN, PROPOSAL_OWN, PROPOSAL_CLOSED,
        PROPOSAL_ALTERED, PROPOSAL_ENTRY_ERASED, PROPOSAL_EXPIRED, PROPOSAL_TARGET_CHANGED, PROPOSAL_PROPOSER_WITHDRAWN,
        CALLER_NOT_ALLOWED, AGENCY_NOT_OWN.
        """
        act = self._methods.read(request, caller)
        because: str | None = None
        async with self._database.transaction() as connection:
            now = await self._clock(connection)
            if await find_outcome(connection, act) is not None:
                proposal = await self._find(connection, request.proposal_id)
            else:
                await take_act(connection, act, now)
                proposal = await self._lock_open(connection, request.proposal_id)
                proposal, because = await self._decide(connection, proposal, request.proposal_sha256, act, now)
        if because is not None:
            raise Refusal(because, Code.FAILED_PRECONDITION)
        not_yet = await self._handlers[proposal.method].tell_others(self._restore_request(proposal))
        return Approved(self._write(proposal), not_yet)

    async def reject(
        self, request: proposals_pb2.RejectProposalRequest, caller: Caller
    ) -> proposals_pb2.ProposalRecord:
        """Ends a proposal without carrying it out; its proposer takes it back so.

        Raises as `ActMethods.read` and `take_act`; OFFICER_REASON_INVALID, PROPOSAL_UNKNOWN, PROPOSAL_CLOSED,
        PROPOSAL_ALTERED, CALLER_NOT_ALLOWED, AGENCY_NOT_OWN.
        """
        act = self._methods.read(request, caller)
        reason = check_reason(request.reason)
        async with self._database.transaction() as connection:
            now = await self._clock(connection)
            if await find_outcome(connection, act) is not None:
                return self._write(await self._find(connection, request.proposal_id))
            await take_act(connection, act, now)
            proposal = await self._lock_open(connection, request.proposal_id)
            await self._require_decider(connection, proposal, act, now)
            self._verify(proposal, request.proposal_sha256)
            proposal = replace(proposal, state=State.REJECTED, because=reason, decided_by=caller.name, decided_at=now)
            await proposal_store.decide(connection, proposal)
            await note_step(connection, self._chain, ProposalAction.REJECTED, proposal, now, act=act)
            await save_outcome(connection, act, {})
            return self._write(proposal)

    async def get(self, proposal_id: str, caller: Caller) -> proposals_pb2.ProposalRecord:
        """Returns a proposal; raises PROPOSAL_UNKNOWN, CALLER_NOT_ALLOWED, AGENCY_NOT_OWN."""
        async with self._database.read() as connection:
            now = await self._clock(connection)
            proposal = await self._find(connection, proposal_id)
        self._check_sees(proposal, caller)
        return self._write(proposal_store.show_expiry(proposal, now))

    async def list(
        self, agency: str, caller: Caller, *, state: State | None, after: UUID | None, most: int
    ) -> list[proposals_pb2.ProposalRecord]:
        """Returns the proposals at an agency that the caller's roles are for, the newest first."""
        methods = [
            name
            for name in self._handlers
            if not caller.roles.isdisjoint(self._methods.find(name).access.officer_roles)
        ]
        async with self._database.read() as connection:
            now = await self._clock(connection)
            proposals = await proposal_store.list_proposals(
                connection, agency, methods=methods, state=state, after=after, most=most, now=now
            )
        return [self._write(proposal) for proposal in proposals]

    async def find_lines(self, connection: Connection, proposal_id: str, caller: Caller) -> tuple[str, ...]:
        """Returns what a proposal does, for the act that decides on it; raises as `get`."""
        proposal = await self._find(connection, proposal_id)
        self._check_sees(proposal, caller)
        return tuple(proposal.lines)

    async def _decide(
        self, connection: Connection, proposal: Proposal, shown_sha256: bytes, act: OfficerAct, now: datetime
    ) -> tuple[Proposal, str | None]:
        """Returns the proposal, carried out; or, voided, why it could not be."""
        if proposal.proposer_id == act.officer.person_id:
            raise Refusal("PROPOSAL_OWN", Code.PERMISSION_DENIED)
        await self._require_decider(connection, proposal, act, now)
        proposed = self._verify(proposal, shown_sha256)
        await check_entry(connection, self._chain, proposal, proposed.request_id)
        handler, request = self._handlers[proposal.method], self._restore_request(proposal)
        because = await self._find_obstacle(connection, proposal, proposed, now)
        target = None if because is not None else await _find_target(handler, connection, request)
        if because is None and (target is None or not _is_unchanged(target, proposal)):
            because = "PROPOSAL_TARGET_CHANGED"
        if because is not None:
            return await void_proposal(connection, self._chain, proposal, because, now), because
        proposal = replace(proposal, state=State.APPROVED, decided_by=act.officer.name, decided_at=now)
        await note_step(connection, self._chain, ProposalAction.APPROVED, proposal, now, act=act, target=target)
        approval = Approval(
            act=act, proposed=proposed, proposal_id=proposal.proposal_id, proposal_sha256=proposal.stored_sha256
        )
        await handler.carry_out(connection, request, approval, now)
        await proposal_store.decide(connection, proposal)
        await save_outcome(connection, act, {})
        return proposal, None

    def _restore_request(self, proposal: Proposal) -> Any:
        return self._methods.find(proposal.method).restore_request(proposal.request)

    async def _find(self, connection: Connection, proposal_id: str) -> Proposal:
        known = find_uuid(proposal_id)
        proposal = None if known is None else await proposal_store.find_proposal(connection, known)
        if proposal is None:
            raise Refusal("PROPOSAL_UNKNOWN", Code.NOT_FOUND)
        return proposal

    async def _lock_open(self, connection: Connection, proposal_id: str) -> Proposal:
        known = find_uuid(proposal_id)
        proposal = None if known is None else await proposal_store.lock_proposal(connection, known)
        if proposal is None:
            raise Refusal("PROPOSAL_UNKNOWN", Code.NOT_FOUND)
        if proposal.state is not State.OPEN:
            raise Refusal("PROPOSAL_CLOSED", Code.FAILED_PRECONDITION)
        return proposal

    async def _require_decider(
        self, connection: Connection, proposal: Proposal, act: OfficerAct, now: datetime
    ) -> None:
        """Checks that an officer may decide: has the role of the proposed method, for the proposal's agency."""
        self._check_sees(proposal, act.officer)
        roles = frozenset(self._methods.find(proposal.method).access.officer_roles)
        await require_officer(connection, replace(act, roles=roles), now)

    def _check_sees(self, proposal: Proposal, caller: Caller) -> None:
        check_person(self._methods.find(proposal.method).access, caller, proposal.method)
        require_acts_for(caller, proposal.agency)

    def _verify(self, proposal: Proposal, shown_sha256: bytes) -> OfficerAct:
        """Returns the proposer's act; raises PROPOSAL_ALTERED unless all is as it was proposed, and as it was shown."""
        altered = Refusal("PROPOSAL_ALTERED", Code.FAILED_PRECONDITION)
        if not self._hash(proposal) == proposal.stored_sha256 == shown_sha256:
            raise altered
        method = self._methods.find(proposal.method)
        proposer = Caller(
            Kind.OFFICER, proposal.proposer, proposal.proposer.partition("/")[0], certificate=proposal.certificate
        )
        try:
            request = method.restore_request(proposal.request)
            act = self._methods.read_signed(method, request, proposal.signed, proposer)
        except (Refusal, ValueError) as error:
            log.error("proposal %s was altered in the database: %s", proposal.proposal_id, error)
            raise altered from error
        if act.purpose.act is None or tuple(proposal.lines) != act.purpose.act.lines:
            raise altered
        return act

    async def _find_obstacle(
        self, connection: Connection, proposal: Proposal, proposed: OfficerAct, now: datetime
    ) -> str | None:
        """Returns why a proposal is void, apart from its target."""
        if proposal.expires_at <= now:
            return "PROPOSAL_EXPIRED"
        roles = await self._find_roles(connection, proposal, proposed)
        needed = self._methods.find(proposal.method).access.officer_roles
        return "PROPOSAL_PROPOSER_WITHDRAWN" if roles.isdisjoint(needed) else None

    async def _find_roles(self, connection: Connection, proposal: Proposal, proposed: OfficerAct) -> frozenset[str]:
        """Returns the roles that the proposer has now, none where its certificate was withdrawn or it moved."""
        officer = await lock_officer(connection, proposal.proposer_id, proposed.certificate_sha256)
        if officer is not None and officer.name == proposal.proposer and not officer.is_withdrawn:
            return officer.roles
        caller = self._registered.find_officer(proposal.proposer, proposal.certificate)
        return frozenset() if caller is None else caller.roles

    def _hash(self, proposal: Proposal) -> bytes:
        message = write_proposal(proposal, instance=self._chain.instance, service=self._chain.registry)
        return hash_canonical(message)

    def _write(self, proposal: Proposal) -> proposals_pb2.ProposalRecord:
        return write_record(proposal, instance=self._chain.instance, service=self._chain.registry)


async def _find_target(handler: FourEyesHandler, connection: Connection, request: Any) -> Target | None:
    """Returns the target as it is now, None where the request can't be carried out any more."""
    try:
        return await handler.find_target(connection, request)
    except Refusal as refusal:
        if refusal.code in _PASSING:
            raise
        log.info("the target of a proposal (%s) has changed: %s", handler.method, refusal.reason)
        return None


def _is_unchanged(target: Target, proposal: Proposal) -> bool:
    return (target.agency, target.version) == (proposal.agency, proposal.target_version)
