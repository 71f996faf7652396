"""Which refusals a help desk can find, and what of their calls it may see."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from google.protobuf.message import Message

from instance_profile.model import Profile
from refusals import Refusal
from servicekit.incidents import Incident, IncidentLog, find_subject, list_field_reasons
from servicekit.telemetry import find_trace_id


@dataclass(frozen=True, slots=True)
class RefusedCalls:
    """Notes every refused call. Of what was sent it keeps agency and category, where there are such ones."""

    profile: Profile
    log: IncidentLog
    clock: Callable[[], datetime]

    def note(self, method: str, request: Message, refusal: Refusal) -> None:
        """Notes one call, by the path of its method."""
        service, step = method.strip("/").split("/")
        subject = find_subject()
        self.log.note(
            Incident(
                incident_id=uuid4(),
                inquiry_number=find_trace_id() or "0" * 32,
                happened_at=self.clock(),
                operation=service.rpartition(".")[2],
                step=step,
                agency=self._find_code(request, "agency", {agency.code for agency in self.profile.agencies}),
                category=self._find_code(request, "category", {category.code for category in self.profile.categories}),
                certificate_sha256=subject.certificate_sha256,
                bidder_id=subject.bidder_id,
                reason=refusal.reason,
                metadata=refusal.metadata,
                fields=list_field_reasons(refusal),
            )
        )

    @staticmethod
    def _find_code(request: Message, field: str, known: set[str]) -> str:
        code = str(getattr(request, field, ""))
        return code if code in known else ""
