"""agency-sync: how far what a card did has come at the other agencies."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from front_door.adapters import SecondsLeft
from front_door.domain.card_session import SessionReference
from toroku.agencysync.v1 import agency_sync_pb2, propagation_pb2

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub


@dataclass(frozen=True, slots=True)
class CardPropagations:
    """What is propagated by a card of one agency, as agency-sync has it; handed on as it is."""

    propagations: list[propagation_pb2.Propagation]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class AgencySync:
    """agency-sync, over its stub."""

    stub: "AgencySyncAsyncStub"

    async def list_propagations(
        self, reference: SessionReference, certificate_sha256: bytes, seconds_left: SecondsLeft
    ) -> CardPropagations:
        """Returns what became of everything that a card did at the agency and in the category of its session."""
        request = agency_sync_pb2.ListPropagationsOfCardRequest(
            certificate_sha256=certificate_sha256, category=reference.category, agency=reference.agency
        )
        response = await self.stub.ListPropagationsOfCard(request, timeout=seconds_left())
        return CardPropagations(list(response.propagations), response.as_of.ToDatetime(UTC))
