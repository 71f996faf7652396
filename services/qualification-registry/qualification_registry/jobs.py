"""Background work: telling certificate-registry about bidders, and clearing what is over."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from qualification_registry.operations.bidder_events import TELL_CERTIFICATE_REGISTRY, announce_named_first_by
from qualification_registry.convert import bidder_message
from qualification_registry.domain.bidders import Bidder
from qualification_registry.store import bidders, previews, search_counts
from servicekit.database import Database
from servicekit.jobs import Work
from toroku.certificate.v1 import service_pb2 as certificate_service_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryAsyncStub

# Bidders in one message; about 40 bytes each.
_MOST_BIDDERS = 5000
_TELLING_SECONDS = 50
# Previews can be committed for a day; what is cleared is certainly not being committed any more.
_PREVIEWS_KEPT = timedelta(days=2)


def work(*, database: Database, certificates: "CertificateRegistryAsyncStub", clock: Callable[[], datetime]) -> Work:
    """The tasks of the worker."""
    tasks = Work()

    @tasks.task(TELL_CERTIFICATE_REGISTRY, queue="events", timeout=60)
    async def tell_certificate_registry(arguments: dict[str, Any]) -> None:
        """Tells the states of bidders as they are now: of those of `bidder_ids`, or of those that an import named first
        (`import_number`): the next after an id, and the rest in the next job, so that what was told is not told again
        when it takes long. Done twice, or in another order, it tells the same: the consumer keeps the highest version.
        """
        if "bidder_ids" in arguments:
            async with database.read() as connection:
                found = await bidders.states(connection, arguments["bidder_ids"])
            await _tell(found)
            return
        number = arguments["import_number"]
        async with database.read() as connection:
            found = await bidders.states_named_first_by(
                connection, number, after=arguments["after"], most=_MOST_BIDDERS
            )
        await _tell(found)
        if len(found) == _MOST_BIDDERS:
            async with database.transaction() as connection:
                await announce_named_first_by(connection, number, after=found[-1].bidder_id)

    async def _tell(found: Sequence[Bidder]) -> None:
        if found:
            request = certificate_service_pb2.RecordBiddersRequest(bidders=map(bidder_message, found))
            await certificates.RecordBidders(request, timeout=_TELLING_SECONDS)

    @tasks.periodic("17 * * * *", "clear_what_is_over", queue="bulk")
    async def clear_what_is_over(arguments: dict[str, Any]) -> None:
        """Deletes previews that nobody committed, and counts of tries whose time is over."""
        now = clock()
        async with database.transaction() as connection:
            await previews.clear_previews(connection, older_than=now - _PREVIEWS_KEPT)
        async with database.transaction() as connection:
            await search_counts.clear(connection, now=now)

    return tasks
