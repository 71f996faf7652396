"""The acts by which invited persons accept, whose certificates are not registered yet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from certificate_registry.domain.officer import check_person_id
from certificate_registry.operations.officer_invitations import require_agency
from certificate_registry.pki.certificate import Certificate
from instance_profile.model import Profile
from officers.challenges import ActChallenges, PurposeToSign
from officers.methods import ActMethod
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.identity import Caller, Kind


class Authorities(Protocol):
    """The CAs of officers."""

    async def check(self, certificate: bytes, now: datetime) -> Certificate:
        """Returns a certificate of one of these CAs that is valid now; raises OFFICER_CERTIFICATE_INVALID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerAcceptance:
    """Who accepts, and what they have to sign. `method` is that of the acceptance."""

    database: Database
    profile: Profile
    authorities: Authorities
    challenges: ActChallenges
    method: ActMethod
    clock: DatabaseClock

    async def identify(self, caller: Caller, certificate: bytes) -> Caller:
        """Returns the person who accepts: with the certificate of its connection, or with the one from the portal.

        Raises OFFICER_CERTIFICATE_TAKEN for an officer's, OFFICER_CERTIFICATE_INVALID, also where a person names
        another certificate than its connection's.
        """
        if caller.kind is Kind.SERVICE:
            async with self.database.read() as connection:
                now = await self.clock(connection)
            await self.authorities.check(certificate, now)
            return Caller(Kind.UNREGISTERED, "", certificate=certificate)
        if caller.kind is Kind.OFFICER:
            # In the file of callers: once it stood in the table, what the file grants it would count no longer.
            raise Refusal("OFFICER_CERTIFICATE_TAKEN", Code.ALREADY_EXISTS)
        if certificate and certificate != caller.certificate:
            raise Refusal("OFFICER_CERTIFICATE_INVALID", Code.PERMISSION_DENIED)
        return Caller(Kind.UNREGISTERED, "", certificate=caller.certificate)

    async def create_challenge(self, person: Caller, request: Any, request_id: UUID) -> PurposeToSign:
        """Returns the act for an acceptance, which is the same whether there is such an invitation or not.

        Raises AGENCY_UNKNOWN, PERSON_ID_INVALID.
        """
        require_agency(self.profile, request.agency)
        check_person_id(request.person_id)
        async with self.database.single_change() as connection:
            now = await self.clock(connection)
            return await self.challenges.create(connection, self.method, request, request_id, person, now)
