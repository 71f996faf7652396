"""The tasks of the worker; each calls one operation."""

from typing import Any

from qualification_registry.operations.bidder_events import (
    BULK_QUEUES,
    QUEUES,
    SEND_STATES,
    STOP_QUEUES,
    BidderEvents,
    read_keys,
)
from qualification_registry.operations.bidder_notices import NOTICES_QUEUE, SEND_NOTICE, BidderNotices
from qualification_registry.operations.card_approval_decision import ANSWERS_QUEUE, SEND_ANSWER, CardAnswers
from qualification_registry.operations.expiry import EXPIRY_QUEUE, Expiry
from qualification_registry.operations.suspension import BidderSuspensions
from servicekit.jobs import Replacements, Result, Work


def build_work(
    *,
    bidder_events: BidderEvents,
    bidder_notices: BidderNotices,
    suspensions: BidderSuspensions,
    card_answers: CardAnswers,
    expiry: Expiry,
) -> Work:
    """Returns the tasks of the worker."""
    work = Work()
    first, *further = (*STOP_QUEUES.values(), *QUEUES.values(), *BULK_QUEUES.values())

    @work.task(SEND_STATES, queue=first, further_queues=further, timeout=60)
    async def send_bidder_states(arguments: dict[str, Any]) -> Replacements:
        return await bidder_events.send(arguments["consumer"], read_keys(arguments["bidders"]))

    for queues in (STOP_QUEUES, QUEUES, BULK_QUEUES):
        for consumer, queue in queues.items():
            work.wait_for(consumer, queue=queue)
    for queue in BULK_QUEUES.values():
        work.give_way(queue=queue)

    @work.task(SEND_NOTICE, queue=NOTICES_QUEUE)
    async def send_bidder_notice(arguments: dict[str, Any]) -> Result:
        return await bidder_notices.send(arguments)

    work.wait_for("contact-notification", queue=NOTICES_QUEUE)

    @work.periodic("* * * * *", "lapse_suspensions", queue=EXPIRY_QUEUE)
    async def lapse_suspensions(_: dict[str, Any]) -> None:
        await suspensions.lapse()

    @work.task(SEND_ANSWER, queue=ANSWERS_QUEUE, timeout=60)
    async def send_card_answer(arguments: dict[str, Any]) -> Result:
        return await card_answers.send(arguments["number"])

    work.wait_for("contact-notification", queue=ANSWERS_QUEUE)

    @work.periodic("17 * * * *", "delete_expired", queue=EXPIRY_QUEUE)
    async def delete_expired(_: dict[str, Any]) -> None:
        await expiry.delete_expired()

    @work.periodic("47 * * * *", "void_proposals", queue=EXPIRY_QUEUE)
    async def void_proposals(_: dict[str, Any]) -> None:
        await expiry.void_proposals()

    return work
