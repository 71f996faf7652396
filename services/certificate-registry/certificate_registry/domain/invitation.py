"""Invitations of officers: a one-time code, good for a week, whose certificate an administrator confirms (LIF-08)."""

import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from refusals import Code, Refusal

# How long a code is good, and how long then a certificate waits for its confirmation.
CODE_LIFETIME = timedelta(days=7)
CONFIRMATION_LIFETIME = timedelta(days=30)
# Tries of a code: by one certificate in a day, and for one person in a week. A code has 60 bits.
MOST_TRIES_OF_CERTIFICATE = 5
TRIES_OF_CERTIFICATE_COUNT_FOR = timedelta(days=1)
MOST_TRIES_FOR_PERSON = 20
TRIES_FOR_PERSON_COUNT_FOR = timedelta(days=7)

# Without what looks like something else: 0 and O, 1 and I.
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_GROUPS = 3
_GROUP = 4


class InvitationState(StrEnum):
    """What became of an invitation that is neither confirmed nor cancelled."""

    OPEN = "open"
    ACCEPTED = "accepted"
    EXPIRED = "expired"


class ClosedAs(StrEnum):
    """How an invitation ended."""

    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    # Nobody took it up in time, and somebody was invited anew.
    EXPIRED = "expired"
    # The person was withdrawn.
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class AcceptedCertificate:
    """The certificate (DER) with which an invitation was accepted, when, and by which request."""

    certificate: bytes = field(repr=False)
    certificate_sha256: bytes
    accepted_at: datetime
    request_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation as stored; of its code only the hash. `invited_by` is `agency/person`."""

    invitation_id: UUID
    person_id: str
    agency: str
    name: str = field(repr=False)
    mail_address: str = field(repr=False)
    is_further: bool
    code_hash: str = field(repr=False)
    invited_by: str
    invited_at: datetime
    accepted: AcceptedCertificate | None = None
    closed_as: ClosedAs | None = None

    @property
    def expires_at(self) -> datetime:
        """Last instant at which the code, or what was accepted with it, is good."""
        if self.accepted is not None:
            return self.accepted.accepted_at + CONFIRMATION_LIFETIME
        return self.invited_at + CODE_LIFETIME

    def find_state(self, now: datetime) -> InvitationState:
        """Returns what became of it by now, as long as it is not closed."""
        if now > self.expires_at:
            return InvitationState.EXPIRED
        return InvitationState.OPEN if self.accepted is None else InvitationState.ACCEPTED


def create_code() -> str:
    """Returns a code of 60 random bits: `K7QM-2XWE-PH9D`."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def read_code(typed: str) -> str:
    """Returns a code as it was hashed, from what a person typed: width, case, spaces and hyphens do not matter."""
    text = unicodedata.normalize("NFKC", typed[: 8 * _GROUPS * _GROUP]).upper()
    return "".join(character for character in text if character in _ALPHABET)


def require_known(invitation: Invitation | None, agency: str) -> Invitation:
    """Returns an invitation of this agency; raises INVITATION_UNKNOWN."""
    if invitation is None or invitation.agency != agency:
        raise Refusal("INVITATION_UNKNOWN", Code.NOT_FOUND)
    return invitation


def require_not_closed(invitation: Invitation) -> None:
    """Raises INVITATION_CLOSED for one that was confirmed or cancelled."""
    if invitation.closed_as is not None:
        raise Refusal("INVITATION_CLOSED", Code.FAILED_PRECONDITION)


def require_open(invitation: Invitation, now: datetime) -> None:
    """Checks that an invitation whose right code is given can be accepted; raises INVITATION_USED, …_EXPIRED."""
    if invitation.accepted is not None:
        raise Refusal("INVITATION_USED", Code.FAILED_PRECONDITION)
    if invitation.find_state(now) is InvitationState.EXPIRED:
        raise _refuse_expired(invitation)


def require_accepted(invitation: Invitation, certificate_sha256: bytes, now: datetime) -> AcceptedCertificate:
    """Returns the certificate that waits for confirmation, if it is the one that the administrator was shown.

    Raises INVITATION_NOT_ACCEPTED, INVITATION_EXPIRED, OFFICER_CERTIFICATE_OTHER.
    """
    if invitation.accepted is None:
        raise Refusal("INVITATION_NOT_ACCEPTED", Code.FAILED_PRECONDITION)
    if invitation.find_state(now) is InvitationState.EXPIRED:
        raise _refuse_expired(invitation)
    if invitation.accepted.certificate_sha256 != certificate_sha256:
        raise Refusal("OFFICER_CERTIFICATE_OTHER", Code.FAILED_PRECONDITION)
    return invitation.accepted


def refuse_code() -> Refusal:
    """Returns the refusal of a code, without the cause: there may be no such invitation."""
    return Refusal("INVITATION_NOT_GOOD", Code.PERMISSION_DENIED)


def _refuse_expired(invitation: Invitation) -> Refusal:
    return Refusal("INVITATION_EXPIRED", Code.FAILED_PRECONDITION, {"at": invitation.expires_at.isoformat()})
