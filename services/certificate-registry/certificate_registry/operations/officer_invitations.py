"""Administrators invite persons, and take invitations back (LIF-08)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.invitation import (
    ClosedAs,
    Invitation,
    InvitationState,
    create_code,
    read_code,
    require_known,
    require_not_closed,
)
from certificate_registry.domain.officer import Officer, check_name, check_person_id
from certificate_registry.operations.officer_notices import send_officer_notices
from certificate_registry.store import invitations, officer_notices, officers
from history.entries import Chain, Entry, State
from history.writing import write_history
from instance_profile.characters import shorten_visible
from instance_profile.field_rules import is_mail_address
from instance_profile.model import Profile
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from refusals import Code, Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.telemetry import find_trace_id

# Of a code that may be anything.
_MOST_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRequest:
    """Who is to be invited; without a mail address the code goes to the administrator, for a letter."""

    agency: str
    person_id: str
    name: str = field(repr=False)
    mail_address: str = field(repr=False)
    is_further: bool


class CodeHashes(Protocol):
    """Hashes codes slowly."""

    async def hash(self, code: str) -> str:
        """Returns the hash of a code."""


class Sealing(Protocol):
    """Seals what only the mail of a notice shows."""

    def seal(self, secret: str, notice_id: UUID) -> bytes:
        """Returns a sealed secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerInvitations:
    """The invitations of one instance."""

    database: Database
    profile: Profile
    chain: Chain
    hashes: CodeHashes
    sealing: Sealing
    clock: DatabaseClock

    async def invite(self, act: OfficerAct, request: InvitationRequest) -> tuple[Invitation, str]:
        """Invites a person; returns the invitation and, for a letter, its code. A repetition returns no code.

        Raises AGENCY_UNKNOWN, PERSON_ID_INVALID, PERSON_ID_TAKEN, OFFICER_EXISTS, OFFICER_UNKNOWN,
        OFFICER_NAME_INVALID, MAIL_ADDRESS_INVALID, INVITATION_STANDS, and as `take_act`.
        """
        require_agency(self.profile, request.agency)
        check_person_id(request.person_id)
        check_name(request.name)
        if request.mail_address and not is_mail_address(request.mail_address):
            raise Refusal("MAIL_ADDRESS_INVALID", Code.INVALID_ARGUMENT)
        code = create_code()
        code_hash = await self.hashes.hash(read_code(code))
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            outcome = await find_outcome(connection, act)
            if outcome is not None:
                found = await invitations.find_invitation(connection, UUID(outcome["invitation_id"]))
                return require_known(found, request.agency), ""
            await take_act(connection, act, now)
            _require_invitable(await officers.find_officer(connection, request.person_id), request)
            await _clear_way(connection, request, now)
            invitation = Invitation(
                invitation_id=uuid4(),
                person_id=request.person_id,
                agency=request.agency,
                name=request.name,
                mail_address=request.mail_address,
                is_further=request.is_further,
                code_hash=code_hash,
                invited_by=act.officer.name,
                invited_at=now,
            )
            if not await invitations.save_invitation(connection, invitation):
                raise _refuse_standing()
            if invitation.mail_address:
                await self._mail(connection, invitation, code, now)
            entry = describe_act(
                act,
                HistoryAction.OFFICER_INVITED,
                invitation.agency,
                now,
                after={
                    "invitation_id": str(invitation.invitation_id),
                    "person_id": invitation.person_id,
                    "name": invitation.name,
                    "delivery": "mail" if invitation.mail_address else "letter",
                },
            )
            await write_history(connection, self.chain, [entry])
            await save_outcome(connection, act, {"invitation_id": str(invitation.invitation_id)})
            return invitation, "" if invitation.mail_address else code

    async def cancel(self, act: OfficerAct, agency: str, invitation_id: UUID | None, reason: str) -> None:
        """Takes an invitation back. Raises INVITATION_UNKNOWN, INVITATION_CLOSED, and as `take_act`."""
        check_reason(reason)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            if await find_outcome(connection, act) is not None:
                return
            await take_act(connection, act, now)
            found = None if invitation_id is None else await invitations.lock_invitation(connection, invitation_id)
            invitation = require_known(found, agency)
            require_not_closed(invitation)
            await invitations.close_invitation(connection, invitation.invitation_id, ClosedAs.CANCELLED, now)
            entry = describe_act(
                act,
                HistoryAction.INVITATION_CANCELLED,
                agency,
                now,
                after={
                    "invitation_id": str(invitation.invitation_id),
                    "person_id": invitation.person_id,
                    "reason": reason,
                },
            )
            await write_history(connection, self.chain, [entry])
            await save_outcome(connection, act, {})

    async def list(self, agency: str) -> tuple[Sequence[Invitation], datetime]:
        """Returns the invitations of an agency that are not closed, the newest first, and the instant of the answer."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
            return await invitations.list_invitations(connection, agency), now

    async def _mail(self, connection: Connection, invitation: Invitation, code: str, now: datetime) -> None:
        notice_id = uuid4()
        await officer_notices.save_invitation_notice(
            connection,
            notice_id=notice_id,
            invitation_id=invitation.invitation_id,
            sealed_code=self.sealing.seal(code, notice_id),
            now=now,
        )
        await jobs.enqueue_together(connection, send_officer_notices([notice_id]))


def require_agency(profile: Profile, agency: str) -> None:
    """Raises AGENCY_UNKNOWN unless the profile has the agency, or it is the operator."""
    if agency != OPERATOR and all(agency != known.code for known in profile.agencies):
        raise Refusal("AGENCY_UNKNOWN", Code.INVALID_ARGUMENT, {"agency": shorten_visible(agency, _MOST_SHOWN)})


def describe_act(
    act: OfficerAct,
    what: HistoryAction,
    agency: str,
    now: datetime,
    *,
    after: State,
    before: State | None = None,
    certificate_sha256: bytes | None = None,
) -> Entry:
    """Returns the entry of what an officer did to officers of an agency."""
    nothing: Mapping[str, str] = {}
    return Entry(
        happened_at=now,
        who=act.who,
        what=what,
        request_id=act.request_id,
        trace_id=find_trace_id(),
        certificate_sha256=certificate_sha256,
        agencies=(agency,),
        before=nothing if before is None else before,
        after=after,
        act=act.signed_act,
    )


def _require_invitable(officer: Officer | None, request: InvitationRequest) -> None:
    if officer is None:
        if request.is_further:
            raise Refusal("OFFICER_UNKNOWN", Code.NOT_FOUND)
        return
    if officer.agency != request.agency:
        raise _refuse_taken()
    if not request.is_further:
        raise Refusal("OFFICER_EXISTS", Code.ALREADY_EXISTS)


async def _clear_way(connection: Connection, request: InvitationRequest, now: datetime) -> None:
    """Closes an earlier invitation that nobody took up in time; raises where one stands."""
    standing = await invitations.lock_standing(connection, request.person_id)
    if standing is None:
        return
    if standing.find_state(now) is InvitationState.EXPIRED:
        await invitations.close_invitation(connection, standing.invitation_id, ClosedAs.EXPIRED, now)
    elif standing.agency != request.agency:
        raise _refuse_taken()
    else:
        raise _refuse_standing()


def _refuse_taken() -> Refusal:
    return Refusal("PERSON_ID_TAKEN", Code.ALREADY_EXISTS)


def _refuse_standing() -> Refusal:
    return Refusal("INVITATION_STANDS", Code.ALREADY_EXISTS)
