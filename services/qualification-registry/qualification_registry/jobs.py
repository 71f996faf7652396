"""The tasks of the worker; each calls one operation."""

from typing import Any

from qualification_registry.operations.bidder_events import (
    BIDDERS_QUEUE,
    IMPORTS_QUEUE,
    SEND_BIDDERS,
    STOPS_QUEUE,
    BidderEvents,
)
from qualification_registry.operations.expiry import EXPIRY_QUEUE, Expiry
from servicekit.jobs import Replacements, Work


def build_work(*, bidder_events: BidderEvents, expiry: Expiry) -> Work:
    """Returns the tasks of the worker."""
    work = Work()

    @work.task(SEND_BIDDERS, queue=BIDDERS_QUEUE, further_queues=(STOPS_QUEUE, IMPORTS_QUEUE), timeout=60)
    async def send_bidders(arguments: dict[str, Any]) -> Replacements:
        if "bidder_ids" in arguments:
            return await bidder_events.send(arguments["bidder_ids"])
        return await bidder_events.send_first_named(arguments["import_number"], after=arguments["after"])

    for queue in (BIDDERS_QUEUE, STOPS_QUEUE, IMPORTS_QUEUE):
        work.wait_for("certificate-registry", queue=queue)

    @work.periodic("17 * * * *", "delete_expired", queue=EXPIRY_QUEUE)
    async def delete_expired(_: dict[str, Any]) -> None:
        await expiry.delete_expired()

    return work
