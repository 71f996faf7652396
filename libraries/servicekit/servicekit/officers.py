"""What a server needs to know of officers, from whoever keeps them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from refusals import Code, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """A person with one of its certificates (DER), as the service's own table has them now."""

    person_id: str
    agency: str
    roles: frozenset[str]
    certificate: bytes = field(repr=False)
    valid_until: datetime
    is_withdrawn: bool

    @property
    def name(self) -> str:
        """`agency/person`, for records."""
        return f"{self.agency}/{self.person_id}"


class OfficerDirectory(Protocol):
    """The officers that a service knows."""

    async def find_officer(self, certificate_sha256: bytes) -> Officer | None:
        """Returns whose certificate it is, withdrawn or not; None where nobody's."""
        ...


def require_good_certificate(officer: Officer, now: datetime) -> None:
    """Raises OFFICER_CERTIFICATE_WITHDRAWN or OFFICER_CERTIFICATE_EXPIRED unless the officer's certificate counts."""
    name = f"officer {officer.name}"
    if officer.is_withdrawn:
        raise Refusal("OFFICER_CERTIFICATE_WITHDRAWN", Code.UNAUTHENTICATED, {"caller": name})
    if now > officer.valid_until:
        metadata = {"caller": name, "valid_until": officer.valid_until.isoformat()}
        raise Refusal("OFFICER_CERTIFICATE_EXPIRED", Code.UNAUTHENTICATED, metadata)
