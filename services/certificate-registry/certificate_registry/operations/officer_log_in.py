"""Officers log in to the portal: a signed log-in opens a session, and a session gives proofs."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from certificate_registry.domain.challenge import LIFETIME as CHALLENGE_LIFETIME
from certificate_registry.domain.challenge import PurposeToSign, create_nonce, issue, require_valid
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.officer import Officer
from certificate_registry.domain.officer_session import (
    LONGEST,
    OfficerSession,
    create_token,
    find_token_hash,
    require_open,
)
from certificate_registry.operations.challenges import require_unused, verify_signed_purpose
from certificate_registry.operations.officer_invitations import describe_act
from certificate_registry.pki.certificate import Certificate
from certificate_registry.store import log_in, officer_sessions, officers
from history.entries import Chain
from history.writing import write_history
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.officer_proof import LIFETIME, OfficerStatement, write_officer_proof
from servicekit.signed_statement import SigningKey
from signed_acts import purpose as purposes
from signed_acts.purpose import Purpose, PurposeType, Role, SignedPurpose


@dataclass(frozen=True, slots=True)
class OpenedOfficerSession:
    """A new session. The token is a secret of the portal, returned only here."""

    token: str
    session: OfficerSession
    officer: Officer
    at: datetime


@dataclass(frozen=True, slots=True)
class IssuedProof:
    """A serialized proof with its expiry, and the session that gave it."""

    proof: bytes
    expires_at: datetime
    session: OfficerSession


class Authorities(Protocol):
    """The CAs of officers."""

    async def check(self, certificate: bytes, now: datetime) -> Certificate:
        """Returns a certificate of one of these CAs that is valid now; raises OFFICER_CERTIFICATE_INVALID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerLogIn:
    """The sessions of officers. `operation` is the full name of the method that a log-in is for."""

    database: Database
    chain: Chain
    authorities: Authorities
    operation: str
    proof_key: SigningKey
    clock: DatabaseClock

    async def create_challenge(self, certificate: bytes) -> PurposeToSign:
        """Issues a log-in for a certificate (DER) of the officers' CA, an officer's or not.

        Raises OFFICER_CERTIFICATE_INVALID.
        """
        async with self.database.single_change() as connection:
            now = await self.clock(connection)
            parsed = await self.authorities.check(certificate, now)
            nonce = create_nonce()
            encoded = purposes.encode(
                Purpose(
                    instance=self.chain.instance,
                    type=PurposeType.LOG_IN,
                    operation=self.operation,
                    role=Role.SOLE,
                    nonce=nonce,
                    certificate_sha256=parsed.sha256,
                )
            )
            challenge = issue(nonce, encoded, now)
            await log_in.save_challenge(connection, challenge, certificate_sha256=parsed.sha256)
            return PurposeToSign(encoded, now + CHALLENGE_LIFETIME)

    async def open(self, certificate: bytes, signed: SignedPurpose) -> OpenedOfficerSession:
        """Opens a session for an officer whose key has signed a log-in, which is used up.

        Raises OFFICER_CERTIFICATE_INVALID, OFFICER_CERTIFICATE_UNKNOWN, PURPOSE_…, CHALLENGE_…, SIGNATURE_….
        """
        purpose = purposes.decode(signed.purpose)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            parsed = await self.authorities.check(certificate, now)
            purposes.expect(
                purpose,
                instance=self.chain.instance,
                type=PurposeType.LOG_IN,
                operation=self.operation,
                certificate_sha256=parsed.sha256,
            )
            verify_signed_purpose(parsed.key.der, signed)
            challenge = (await log_in.read_log_in(connection, purpose.nonce, now)).challenge
            require_valid(challenge, signed.purpose, now)
            require_unused(await officer_sessions.use_challenge(connection, purpose.nonce, now))
            officer = await _find_officer(connection, parsed.sha256, now)
            token = create_token()
            session = OfficerSession(find_token_hash(token) or b"", officer.person_id, parsed.sha256, now, now)
            await officer_sessions.save_session(connection, session)
            return OpenedOfficerSession(token, session, officer, now)

    async def prove(self, token: str) -> IssuedProof:
        """Makes a proof by a session, whose idle time begins anew.

        Raises OFFICER_SESSION_UNKNOWN, OFFICER_SESSION_EXPIRED, OFFICER_CERTIFICATE_UNKNOWN.
        """
        token_sha256 = find_token_hash(token)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            found = None if token_sha256 is None else await officer_sessions.lock_session(connection, token_sha256)
            session = require_open(found, now)
            await _find_officer(connection, session.certificate_sha256, now)
            await officer_sessions.renew_session(connection, session.token_sha256, now)
            renewed = replace(session, last_used_at=now)
            statement = OfficerStatement(
                instance=self.chain.instance,
                person_id=session.person_id,
                certificate_sha256=session.certificate_sha256,
                session_sha256=session.token_sha256,
                issued_at=now,
            )
            return IssuedProof(write_officer_proof(self.proof_key, statement), now + LIFETIME, renewed)

    async def end(self, token: str) -> None:
        """Ends a session; does nothing if it is unknown or was ended."""
        token_sha256 = find_token_hash(token)
        if token_sha256 is None:
            return
        async with self.database.single_change() as connection:
            await officer_sessions.end_session(connection, token_sha256, await self.clock(connection))

    async def end_all(self, act: OfficerAct, reason: str) -> int:
        """Ends the sessions of all officers; returns how many. Raises OFFICER_REASON_INVALID, and as `take_act`."""
        check_reason(reason)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            outcome = await find_outcome(connection, act)
            if outcome is not None:
                return int(outcome["ended"])
            await take_act(connection, act, now)
            ended = await officer_sessions.end_all_sessions(connection, since=now - LONGEST, now=now)
            entry = describe_act(
                act, HistoryAction.OFFICER_SESSIONS_ENDED, OPERATOR, now, after={"ended": str(ended), "reason": reason}
            )
            await write_history(connection, self.chain, [entry])
            await save_outcome(connection, act, {"ended": ended})
            return ended


async def _find_officer(connection: Connection, certificate_sha256: bytes, now: datetime) -> Officer:
    """Returns the officer for whom a certificate is good now; raises OFFICER_CERTIFICATE_UNKNOWN."""
    holder = await officers.find_holder(connection, certificate_sha256)
    officer = None if holder is None else await officers.find_officer(connection, holder[0])
    for certificate in () if officer is None else officer.certificates:
        if (
            officer is not None
            and certificate.certificate_sha256 == certificate_sha256
            and now <= certificate.valid_until
        ):
            return officer
    raise Refusal("OFFICER_CERTIFICATE_UNKNOWN", Code.UNAUTHENTICATED)
