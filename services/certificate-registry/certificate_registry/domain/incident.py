"""What went wrong for a contractor, as a help desk can find it by the number on the screen (照会番号)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One step that was refused. `certificate_sha256` and `bidder_id` are None where they were not known."""

    incident_id: UUID
    inquiry_number: str
    happened_at: datetime
    reported_by: str
    operation: str
    step: str
    agency: str
    category: str
    certificate_sha256: bytes | None
    bidder_id: str | None
    reason: str
    metadata: Mapping[str, str]
    fields: Mapping[str, str]
