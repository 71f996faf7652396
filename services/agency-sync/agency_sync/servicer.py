"""One method per RPC: convert, call, convert."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from agency_sync import convert, store
from agency_sync.domain import Timing, with_planned
from agency_sync.offers import agencies_offering, timing
from instance_profile.model import Profile
from servicekit import jobs
from servicekit.clock import now
from servicekit.database import Database
from toroku.agencysync.v1 import service_pb2, service_pb2_grpc


class AgencySync(service_pb2_grpc.AgencySyncServicer):
    """The service of propagation."""

    def __init__(self, *, database: Database, profile: Profile, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._profile = profile
        self._clock = clock

    async def RecordRegistration(
        self, request: service_pb2.RecordRegistrationRequest, context: Any
    ) -> service_pb2.RecordRegistrationResponse:
        """See the proto file."""
        registration = convert.registration(request.event)
        when = timing(self._profile)
        async with self._database.transaction() as connection:
            newer = await store.record_registration(connection, registration)
            # What was made by propagation goes no further, or it would go round for ever.
            if newer and not registration.by_propagation and when is not None:
                await store.intend(connection, registration, when, now=self._clock())
                if when is Timing.AT_ONCE:
                    await jobs.enqueue(connection, "propagate", queue="bulk", arguments={})
        return service_pb2.RecordRegistrationResponse()

    async def ListPropagations(
        self, request: service_pb2.ListPropagationsRequest, context: Any
    ) -> service_pb2.ListPropagationsResponse:
        """See the proto file."""
        try:
            registration_id = UUID(request.registration_id)
        except ValueError:
            return service_pb2.ListPropagationsResponse()
        # The intention first: where a worker closes it in between, what it found is there already.
        async with self._database.read() as connection:
            intention = await store.open_intention(connection, registration_id)
            known = await store.propagations_of(connection, registration_id)
        agency, category, planned_at = intention if intention is not None else ("", "", None)
        shown = with_planned(
            registration_id,
            known,
            own_agency=agency,
            offering=agencies_offering(self._profile).get(category, ()),
            planned_at=planned_at,
        )
        return service_pb2.ListPropagationsResponse(propagations=map(convert.propagation_message, shown))
