"""Officers: who they are, which roles there are, and that an administrator is always left (LIF-08)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from refusals import Code, Refusal
from servicekit.identity import OPERATOR
from servicekit.versions import Version

MOST_NAME_CHARACTERS = 100
# Persons of one withdrawal: all of an agency in the April change of offices, and of a prefecture's offices together.
MOST_PERSONS = 5_000
# The days before a certificate's expiry on which its officer is told, once each.
EXPIRY_NOTICES = (60, 30, 7)
EXPIRES_SOON = timedelta(days=max(EXPIRY_NOTICES))

_PERSON_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


class OfficerRole(StrEnum):
    """What an officer may do. The access options of the methods say which of them they ask for."""

    ADMINISTRATOR = "administrator"
    APPROVAL = "approval"
    BINDING = "binding"
    HISTORY = "history"
    PASSWORD = "password"  # noqa: S105  # no password
    REGISTRATION = "registration"
    ROSTER = "roster"
    SUSPENSION = "suspension"


# The history is that of the whole instance.
_FOR_OPERATOR_ONLY = frozenset({OfficerRole.HISTORY})


@dataclass(frozen=True, slots=True)
class CertificateOfOfficer:
    """A certificate that is good for an officer, in DER, and when it expires."""

    certificate: bytes = field(repr=False)
    certificate_sha256: bytes
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """An officer as stored. The name is empty where it was erased, the address for who was invited by letter.

    One who was withdrawn has neither roles nor certificates. `version` counts what other services are told.
    """

    person_id: str
    agency: str
    name: str = field(repr=False)
    mail_address: str = field(repr=False)
    roles: frozenset[OfficerRole]
    certificates: Sequence[CertificateOfOfficer]
    confirmed_at: datetime
    withdrawn_at: datetime | None
    version: Version


@dataclass(frozen=True, slots=True)
class PersonToWithdraw:
    """A person in a preview: why it can't be withdrawn, or "", and the officer, where it is one of the agency."""

    person_id: str
    refused_because: str
    officer: Officer | None


def check_person_id(person_id: str) -> str:
    """Returns a person's id unchanged; raises PERSON_ID_INVALID."""
    if _PERSON_ID.fullmatch(person_id) is None:
        raise Refusal("PERSON_ID_INVALID", Code.INVALID_ARGUMENT)
    return person_id


def check_name(name: str) -> str:
    """Returns a person's name unchanged; raises OFFICER_NAME_INVALID unless it can be shown on one line."""
    if not name.strip() or len(name) > MOST_NAME_CHARACTERS or not name.isprintable():
        raise Refusal("OFFICER_NAME_INVALID", Code.INVALID_ARGUMENT, {"most": str(MOST_NAME_CHARACTERS)})
    return name


def check_persons(person_ids: Sequence[str]) -> Sequence[str]:
    """Returns the persons of a withdrawal unchanged; raises PERSONS_INVALID for none, too many, or one twice."""
    if not 0 < len(person_ids) <= MOST_PERSONS or len(set(person_ids)) != len(person_ids):
        raise Refusal("PERSONS_INVALID", Code.INVALID_ARGUMENT, {"most": str(MOST_PERSONS)})
    return person_ids


def read_role(role: str, agency: str) -> OfficerRole:
    """Returns a role that an officer of this agency may have; raises ROLE_UNKNOWN, ROLE_FOR_OPERATOR_ONLY."""
    if role not in list(OfficerRole):
        raise Refusal("ROLE_UNKNOWN", Code.INVALID_ARGUMENT, {"roles": ", ".join(OfficerRole)})
    known = OfficerRole(role)
    if known in _FOR_OPERATOR_ONLY and agency != OPERATOR:
        raise Refusal("ROLE_FOR_OPERATOR_ONLY", Code.FAILED_PRECONDITION, {"role": known})
    return known


def read_roles(roles: Sequence[str], agency: str) -> frozenset[OfficerRole]:
    """Returns roles that an officer of this agency may have; raises ROLE_UNKNOWN, also for none, and as `read_role`."""
    if not roles:
        raise Refusal("ROLE_UNKNOWN", Code.INVALID_ARGUMENT, {"roles": ", ".join(OfficerRole)})
    return frozenset(read_role(role, agency) for role in roles)


def require_officer(officer: Officer | None, agency: str) -> Officer:
    """Returns an officer of this agency; raises OFFICER_UNKNOWN for nobody, and for one of another agency."""
    if officer is None or officer.agency != agency:
        raise Refusal("OFFICER_UNKNOWN", Code.NOT_FOUND)
    return officer


def require_not_withdrawn(officer: Officer) -> None:
    """Raises OFFICER_WITHDRAWN for one who is no officer any more."""
    if officer.withdrawn_at is not None:
        raise Refusal("OFFICER_WITHDRAWN", Code.FAILED_PRECONDITION)


def require_without_roles(officer: Officer, roles: Collection[OfficerRole]) -> None:
    """Raises OFFICER_HAS_ROLE for an officer who has one of the roles."""
    if had := sorted(officer.roles.intersection(roles)):
        raise Refusal("OFFICER_HAS_ROLE", Code.FAILED_PRECONDITION, {"role": ", ".join(had)})


def require_role(officer: Officer, role: OfficerRole) -> None:
    """Raises OFFICER_WITHOUT_ROLE for an officer who has not the role."""
    if role not in officer.roles:
        raise Refusal("OFFICER_WITHOUT_ROLE", Code.FAILED_PRECONDITION, {"role": role})


def require_administrators_left(
    before: Collection[tuple[str, str]], withdrawn: Collection[str], *, is_by_operator: bool
) -> None:
    """Raises LAST_ADMINISTRATOR where a withdrawal leaves an agency, or the operator, without an administrator.

    `before` are agency and person of every administrator with a certificate that is good now. The operator's last one
    nobody withdraws; an agency's last one the operator's officers do, who can then invite another.
    """
    agencies = {agency for agency, person_id in before if person_id in withdrawn}
    left = {agency for agency, person_id in before if person_id not in withdrawn}
    for agency in sorted(agencies - left):
        if agency == OPERATOR or not is_by_operator:
            raise Refusal("LAST_ADMINISTRATOR", Code.FAILED_PRECONDITION, {"agency": agency})
