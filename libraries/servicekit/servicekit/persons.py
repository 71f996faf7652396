"""The persons among the callers: officers, by the service's own table of them, and those who are not registered."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from refusals import Code, Refusal
from servicekit.authorities import CallerAuthorities
from servicekit.identity import Caller, Kind, Peer, RegisteredCallers, check_validity
from servicekit.officer_proof import PORTAL, verify_officer_proof
from servicekit.officers import Officer, OfficerDirectory, require_good_certificate
from servicekit.signed_statement import VerifyingKeys


class Persons:
    """Says which person calls. Without a directory only those of the file of callers are known."""

    def __init__(
        self,
        *,
        instance: str,
        registered: RegisteredCallers,
        authorities: CallerAuthorities,
        directory: OfficerDirectory | None,
        proof_keys: VerifyingKeys | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._instance = instance
        self._registered = registered
        self._authorities = authorities
        self._directory = directory
        self._proof_keys = proof_keys
        self._clock = clock

    async def identify(self, peer: Peer, *, admits_unregistered: bool) -> Caller:
        """Returns who has the certificate of a connection. The table counts before the file of callers.

        Raises CALLER_UNKNOWN, CALLER_CERTIFICATE_NOT_VALID, CALLER_AUTHORITY_NOT_TRUSTED,
        OFFICER_CERTIFICATE_WITHDRAWN, OFFICER_CERTIFICATE_EXPIRED, CALLERS_UNREADABLE.
        """
        now = self._clock()
        check_validity(peer, now)
        person = await self._find(peer, now, admits_unregistered=admits_unregistered)
        shown = peer.shown if person.kind is Kind.UNREGISTERED else f"{person.kind} {person.name}"
        self._authorities.require_officers_authority(shown, peer.certificate, now)
        return person

    async def _find(self, peer: Peer, now: datetime, *, admits_unregistered: bool) -> Caller:
        certificate_sha256 = sha256(peer.certificate).digest()
        officer = None if self._directory is None else await self._directory.find_officer(certificate_sha256)
        if officer is not None and not officer.is_withdrawn:
            require_good_certificate(officer, now)
            return _write_caller(officer)
        if peer.instance == self._instance and (in_file := self._registered.find(peer)) is not None:
            return in_file
        if officer is not None:
            require_good_certificate(officer, now)
        if admits_unregistered:
            name = f"unregistered/{certificate_sha256.hex()}"
            return Caller(Kind.UNREGISTERED, name, certificate=peer.certificate)
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": peer.shown})

    async def identify_by_proof(self, shown_by: Caller, proof: bytes) -> Caller:
        """Returns the officer for whom the portal calls.

        Raises OFFICER_PROOF_NOT_ACCEPTED where anybody else shows a proof; OFFICER_PROOF_INVALID,
        OFFICER_PROOF_EXPIRED, OFFICER_PROOF_FOR_ANOTHER_INSTANCE, OFFICER_CERTIFICATE_WITHDRAWN,
        OFFICER_CERTIFICATE_EXPIRED, CALLER_UNKNOWN, CALLER_AUTHORITY_NOT_TRUSTED.
        """
        is_portal = shown_by.kind is Kind.SERVICE and shown_by.name == PORTAL
        if not is_portal or self._directory is None or self._proof_keys is None:
            raise refuse_proof(shown_by)
        now = self._clock()
        statement = verify_officer_proof(proof, self._proof_keys, self._instance, now)
        officer = await self._directory.find_officer(statement.certificate_sha256)
        if officer is None or officer.person_id != statement.person_id:
            raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": f"officer {statement.person_id}"})
        require_good_certificate(officer, now)
        self._authorities.require_officers_authority(f"officer {officer.name}", officer.certificate, now)
        return _write_caller(officer)


def refuse_proof(shown_by: Caller) -> Refusal:
    """Returns the refusal of a proof that this caller may not show, or not here."""
    metadata = {"caller": f"{shown_by.kind} {shown_by.name}"}
    return Refusal("OFFICER_PROOF_NOT_ACCEPTED", Code.PERMISSION_DENIED, metadata)


def _write_caller(officer: Officer) -> Caller:
    return Caller(Kind.OFFICER, officer.name, officer.agency, officer.roles, officer.certificate)
