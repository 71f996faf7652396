"""certificate-registry as contact-notification and agency-sync see it: outcomes with tombstones, and propagation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from refusals import Code, Refusal
from toroku.certificate.v1 import resources_pb2, service_pb2, service_pb2_grpc

Outcome = service_pb2.GetOutcomeResponse.Outcome
Result = service_pb2.PropagatedRegistration.Result


@dataclass(slots=True)
class CardRegistry(service_pb2_grpc.CertificateRegistryServicer):
    """Keeps outcomes by card and request id, and registrations at further agencies; both in memory."""

    registered: dict[tuple[bytes, str], resources_pb2.RegistrationEvent] = field(default_factory=dict)
    tombstones: set[tuple[bytes, str]] = field(default_factory=set)
    # Registrations at further agencies, by (source, agency): what stands there. They are never made twice.
    propagated: dict[tuple[str, str], str] = field(default_factory=dict)
    cards_not_good: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    outcome_requests: list[service_pb2.GetOutcomeRequest] = field(default_factory=list)
    propagation_requests: list[service_pb2.PropagateRegistrationsRequest] = field(default_factory=list)
    # While it is set, every call fails. Not with UNAVAILABLE: that is tried again by every caller on the way.
    failing: bool = False
    # Runs after the registrations were made and before the answer; where it raises, the answer is lost.
    before_answer: Callable[[], Awaitable[None]] | None = None

    async def GetOutcome(self, request: service_pb2.GetOutcomeRequest, context: Any) -> service_pb2.GetOutcomeResponse:
        self._check()
        self.outcome_requests.append(request)
        key = (request.certificate_sha256, request.request_id)
        if key in self.registered:
            return service_pb2.GetOutcomeResponse(outcome=Outcome.OUTCOME_REGISTERED, registration=self.registered[key])
        if request.abandon:
            self.tombstones.add(key)
        outcome = Outcome.OUTCOME_ABANDONED if key in self.tombstones else Outcome.OUTCOME_NONE
        return service_pb2.GetOutcomeResponse(outcome=outcome)

    async def PropagateRegistrations(
        self, request: service_pb2.PropagateRegistrationsRequest, context: Any
    ) -> service_pb2.PropagateRegistrationsResponse:
        self._check()
        self.propagation_requests.append(request)
        response = service_pb2.PropagateRegistrationsResponse()
        for propagation in request.agencies:
            for source in propagation.registration_ids:
                if source in self.unanswered:
                    continue
                result = self._result(source)
                if result == Result.RESULT_DONE:
                    target = str(uuid5(NAMESPACE_OID, f"{source} {propagation.agency}"))
                    self.propagated.setdefault((source, propagation.agency), target)
                    response.results.add(
                        source_registration_id=source, agency=propagation.agency, result=result, registration_id=target
                    )
                else:
                    response.results.add(source_registration_id=source, agency=propagation.agency, result=result)
        if self.before_answer is not None:
            await self.before_answer()
        return response

    def register(self, event: resources_pb2.RegistrationEvent) -> None:
        """Commits a registration, as `Register` does; a tombstone stands in its way."""
        key = (event.registration.certificate_sha256, event.request_id)
        if key in self.tombstones:
            raise Refusal("REQUEST_ID_ABANDONED", Code.FAILED_PRECONDITION)
        self.registered[key] = event

    def agencies_of(self, source: UUID) -> set[str]:
        """The further agencies at which a registration stands."""
        return {agency for (registration_id, agency) in self.propagated if registration_id == str(source)}

    def _result(self, source: str) -> Result.ValueType:
        if source in self.unknown:
            return Result.RESULT_REGISTRATION_UNKNOWN
        return Result.RESULT_CARD_NOT_GOOD if source in self.cards_not_good else Result.RESULT_DONE

    def _check(self) -> None:
        if self.failing:
            raise Refusal("INTERNAL_FAILURE", Code.INTERNAL, {"trace_id": "none"})
