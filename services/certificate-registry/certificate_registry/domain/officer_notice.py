"""What officers are told by mail: their invitation, and that their certificate expires."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class OfficerNoticeKind(StrEnum):
    """What a notice says to an officer."""

    INVITATION = "invitation"
    CERTIFICATE_EXPIRING = "certificate expiring"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerNotice:
    """A notice that was not sent yet. `valid_until` is that of the invitation or the certificate.

    `sealed_code` is that of an invitation, which contact-notification alone can open; empty otherwise.
    """

    notice_id: UUID
    kind: OfficerNoticeKind
    agency: str
    person_id: str
    name: str = field(repr=False)
    mail_address: str = field(repr=False)
    valid_until: datetime
    sealed_code: bytes = field(default=b"", repr=False)
