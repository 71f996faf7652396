"""The background work: carrying out the intentions."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agency_sync import convert, store
from agency_sync.domain import Intention, Timing, answered, judge, plan
from agency_sync.offers import agencies_offering
from instance_profile.model import Profile
from servicekit import jobs
from servicekit.database import Database
from toroku.qualification.v1 import service_pb2 as qualification_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryAsyncStub
    from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryAsyncStub

log = logging.getLogger(__name__)

# With sixty agencies that makes 30,000 registrations, about 1.3 MB of ids there and 4 MB of answers back.
MOST_AT_ONCE = 500
# Seconds for each of the two calls.
DEADLINE = 60.0
# How long a batch is ours: both calls and the writing. After a crash it is taken again when this is over.
HOLD = timedelta(seconds=3 * DEADLINE)


def work(
    *,
    database: Database,
    profile: Profile,
    qualifications: "QualificationRegistryAsyncStub",
    cards: "CertificateRegistryAsyncStub",
    clock: Callable[[], datetime],
) -> jobs.Work:
    """The tasks of the worker."""
    tasks = jobs.Work()
    offering = agencies_offering(profile)

    # The clock's turns find what a dead worker left behind.
    @tasks.periodic("* * * * *", "propagate", queue="bulk", timeout=600)
    async def propagate(arguments: dict[str, Any]) -> None:
        """Carries out all open intentions that are due, batch by batch.

        Nothing is lost at any point of a crash: a batch that was taken is free again after a while, the registry of
        cards reports what is there already as done, and states are recorded together with the end of the intention.
        """
        while await _carry_out_batch():
            pass

    async def _carry_out_batch() -> bool:
        now = clock()
        async with database.transaction() as connection:
            taken = await store.take_open(connection, Timing.AT_ONCE, most=MOST_AT_ONCE, now=now, hold=HOLD)
        if not taken:
            return False
        try:
            await _carry_out(taken)
        except BaseException:
            # Also where the job is cancelled by its time-out: the next try must not wait until the hold is over.
            async with database.transaction() as connection:
                await store.give_back(connection, taken)
            raise
        return True

    async def _carry_out(taken: Sequence[Intention]) -> None:
        made = plan(taken, offering=offering, qualified=await _qualified(taken))
        results = []
        if made.wanted:
            response = await cards.PropagateRegistrations(convert.propagation_request(made), timeout=DEADLINE)
            results = list(response.results)
        answers = convert.answers(results)
        finished = answered(taken, made, answers)
        if len(finished) < len(taken):
            log.error("%s registrations got no answer and will be propagated again", len(taken) - len(finished))
        now = clock()
        async with database.transaction() as connection:
            await store.record_propagations(connection, judge(made, answers, now), now=now)
            await store.close(connection, finished, now=now)

    async def _qualified(taken: Sequence[Intention]) -> Mapping[tuple[str, str], Collection[str]]:
        """Where the bidders are qualified now; one question per category, answered from one snapshot."""
        bidders: dict[str, set[str]] = defaultdict(set)
        for intention in taken:
            bidders[intention.category].add(intention.bidder_id)
        found: dict[tuple[str, str], Collection[str]] = {}
        for category, bidder_ids in bidders.items():
            response = await qualifications.ListQualifiedAgencies(
                qualification_pb2.ListQualifiedAgenciesRequest(category=category, bidder_ids=sorted(bidder_ids)),
                timeout=DEADLINE,
            )
            for bidder in response.bidders:
                found[category, bidder.bidder_id] = frozenset(bidder.agencies)
        return found

    return tasks
