"""The tasks of the worker; each calls one operation."""

from typing import Any

from qualification_registry.operations.bidder_events import SEND_BIDDERS, BidderEvents
from qualification_registry.operations.expiry import Expiry
from servicekit.jobs import Work


def build_work(*, bidder_events: BidderEvents, expiry: Expiry) -> Work:
    """Returns the tasks of the worker."""
    work = Work()

    @work.task(SEND_BIDDERS, queue="events", timeout=60)
    async def send_bidders(arguments: dict[str, Any]) -> None:
        if "bidder_ids" in arguments:
            await bidder_events.send(arguments["bidder_ids"])
        else:
            await bidder_events.send_first_named(arguments["import_number"], after=arguments["after"])

    @work.periodic("17 * * * *", "delete_expired", queue="bulk")
    async def delete_expired(_: dict[str, Any]) -> None:
        await expiry.delete_expired()

    return work
