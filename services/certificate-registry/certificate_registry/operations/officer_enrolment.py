"""An invited person accepts with its certificate, and an administrator confirms that (LIF-08). Both sign."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.invitation import (
    MOST_TRIES_FOR_PERSON,
    MOST_TRIES_OF_CERTIFICATE,
    TRIES_FOR_PERSON_COUNT_FOR,
    TRIES_OF_CERTIFICATE_COUNT_FOR,
    AcceptedCertificate,
    ClosedAs,
    Invitation,
    read_code,
    refuse_code,
    require_accepted,
    require_known,
    require_not_closed,
    require_open,
)
from certificate_registry.domain.officer import CertificateOfOfficer, Officer, require_officer
from certificate_registry.operations.officer_deliveries import deliver_officers
from certificate_registry.operations.officer_invitations import describe_act
from certificate_registry.store import invitations, officers
from history.entries import Chain, Entry
from history.writing import write_history
from officers.act import OfficerAct
from officers.acts import find_outcome, save_outcome, take_act
from refusals import Code, Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.telemetry import find_trace_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What an invited person says, with an act that its certificate's key has signed."""

    agency: str
    person_id: str
    code: str = field(repr=False)
    act: OfficerAct


class CodeCheck(Protocol):
    """Compares codes with their hashes, and takes as long where there is no hash."""

    async def matches(self, encoded: str | None, code: str) -> bool:
        """Returns whether a code has this hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerEnrolment:
    """The way from an invitation to an officer."""

    database: Database
    chain: Chain
    codes: CodeCheck
    # Reads the expiry of a certificate in DER.
    read_expiry: Callable[[bytes], datetime]
    clock: DatabaseClock

    async def accept(self, acceptance: Acceptance) -> AcceptedCertificate:
        """Accepts an invitation; the certificate waits for its confirmation then.

        Whether there is such an invitation, nobody learns without its code. Raises INVITATION_NOT_GOOD,
        INVITATION_EXPIRED, INVITATION_USED, INVITATION_TRIES_EXHAUSTED, OFFICER_CERTIFICATE_TAKEN, and as `take_act`.
        """
        act = acceptance.act
        async with self.database.read() as connection:
            newest = await invitations.find_newest(connection, acceptance.agency, acceptance.person_id)
        repeated = _find_repeated(newest, act)
        if repeated is not None:
            return repeated
        await self._count_try(acceptance)
        is_right = await self.codes.matches(None if newest is None else newest.code_hash, read_code(acceptance.code))
        if newest is None or not is_right:
            raise refuse_code()
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            await take_act(connection, act, now)
            invitation = await invitations.lock_invitation(connection, newest.invitation_id)
            if invitation is None or invitation.closed_as in (ClosedAs.CANCELLED, ClosedAs.WITHDRAWN):
                raise refuse_code()
            require_open(invitation, now)
            await _require_free(connection, act.certificate_sha256, invitation.person_id)
            accepted = AcceptedCertificate(act.officer.certificate, act.certificate_sha256, now, act.request_id)
            await invitations.save_acceptance(connection, invitation.invitation_id, accepted)
            await write_history(connection, self.chain, [_describe_acceptance(invitation, act, now)])
            return accepted

    async def confirm(
        self, act: OfficerAct, agency: str, person_id: str, certificate_sha256: bytes
    ) -> tuple[Officer, datetime]:
        """Makes a person an officer by the certificate that the administrator was shown; returns it as it is now.

        Raises INVITATION_UNKNOWN, INVITATION_NOT_ACCEPTED, INVITATION_CLOSED, INVITATION_EXPIRED,
        OFFICER_CERTIFICATE_OTHER, …_INVALID, …_TAKEN, OFFICER_CONFIRMATION_OWN, and as `take_act`.
        """
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            await officers.lock_changes(connection)
            if await find_outcome(connection, act) is None:
                await take_act(connection, act, now)
                await self._confirm(connection, act, agency, person_id, certificate_sha256, now)
                await save_outcome(connection, act, {"person_id": person_id})
            return require_officer(await officers.find_officer(connection, person_id), agency), now

    async def _confirm(
        self,
        connection: Connection,
        act: OfficerAct,
        agency: str,
        person_id: str,
        certificate_sha256: bytes,
        now: datetime,
    ) -> None:
        newest = require_known(await invitations.find_newest(connection, agency, person_id), agency)
        invitation = require_known(await invitations.lock_invitation(connection, newest.invitation_id), agency)
        require_not_closed(invitation)
        accepted = require_accepted(invitation, certificate_sha256, now)
        officer = await officers.find_officer(connection, person_id)
        _require_another(act, invitation, officer)
        await _require_free(connection, certificate_sha256, person_id)
        valid_until = self.read_expiry(accepted.certificate)
        if valid_until < now:
            raise Refusal("OFFICER_CERTIFICATE_INVALID", Code.FAILED_PRECONDITION)
        await officers.save_officer(
            connection,
            person_id=person_id,
            agency=agency,
            name=invitation.name,
            mail_address=invitation.mail_address,
            certificate=CertificateOfOfficer(accepted.certificate, certificate_sha256, valid_until),
            now=now,
        )
        await invitations.close_invitation(connection, invitation.invitation_id, ClosedAs.CONFIRMED, now)
        after = {
            "invitation_id": str(invitation.invitation_id),
            "person_id": person_id,
            "name": invitation.name,
            "invited_by": invitation.invited_by,
        }
        entry = describe_act(
            act, HistoryAction.OFFICER_CONFIRMED, agency, now, after=after, certificate_sha256=certificate_sha256
        )
        await write_history(connection, self.chain, [entry])
        await jobs.enqueue_together(connection, deliver_officers([person_id]))

    async def _count_try(self, acceptance: Acceptance) -> None:
        """Counts a try in a transaction of its own, which stays whatever becomes of it."""
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            by_certificate = await invitations.count_try(
                connection,
                f"certificate {acceptance.act.certificate_sha256.hex()}",
                TRIES_OF_CERTIFICATE_COUNT_FOR,
                now,
            )
            # Where one certificate has no more tries, it does not use up those of the person.
            for_person = 0
            if by_certificate <= MOST_TRIES_OF_CERTIFICATE:
                subject = f"person {acceptance.agency}/{acceptance.person_id}"
                for_person = await invitations.count_try(connection, subject, TRIES_FOR_PERSON_COUNT_FOR, now)
        if by_certificate > MOST_TRIES_OF_CERTIFICATE or for_person > MOST_TRIES_FOR_PERSON:
            raise Refusal("INVITATION_TRIES_EXHAUSTED", Code.RESOURCE_EXHAUSTED)


def _find_repeated(invitation: Invitation | None, act: OfficerAct) -> AcceptedCertificate | None:
    """Returns what this very request has accepted already."""
    if invitation is None or invitation.accepted is None:
        return None
    accepted = invitation.accepted
    is_same = (accepted.request_id, accepted.certificate_sha256) == (act.request_id, act.certificate_sha256)
    return accepted if is_same else None


async def _require_free(connection: Connection, certificate_sha256: bytes, person_id: str) -> None:
    """Raises OFFICER_CERTIFICATE_TAKEN where a certificate is or was another person's, or is this one's already."""
    holder = await officers.find_holder(connection, certificate_sha256)
    if holder is not None and holder != (person_id, True):
        raise Refusal("OFFICER_CERTIFICATE_TAKEN", Code.ALREADY_EXISTS)


def _require_another(act: OfficerAct, invitation: Invitation, officer: Officer | None) -> None:
    """Raises OFFICER_CONFIRMATION_OWN where one administrator alone could take up the roles that a person has."""
    if officer is None or not officer.roles:
        return
    if act.officer.name == invitation.invited_by or act.officer.person_id == officer.person_id:
        raise Refusal("OFFICER_CONFIRMATION_OWN", Code.PERMISSION_DENIED)


def _describe_acceptance(invitation: Invitation, act: OfficerAct, now: datetime) -> Entry:
    before: dict[str, Any] = {}
    return Entry(
        happened_at=now,
        who=f"person {invitation.agency}/{invitation.person_id}",
        what=HistoryAction.INVITATION_ACCEPTED,
        request_id=act.request_id,
        trace_id=find_trace_id(),
        certificate_sha256=act.certificate_sha256,
        agencies=(invitation.agency,),
        before=before,
        after={"invitation_id": str(invitation.invitation_id), "person_id": invitation.person_id},
        act=act.signed_act,
    )
