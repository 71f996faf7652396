"""The worker's tasks: CRLs, trust in cards, card states and notices to other services, expiry.

Each task calls one operation.
"""

from typing import Any
from uuid import UUID

from certificate_registry.operations.card_trust import COPY_LIMITS, JUDGE_CARDS, REFRESH_TRUST, TRUST_QUEUE, CardTrust
from certificate_registry.operations.deliveries import (
    BULK_QUEUES,
    CONTACT_NOTIFICATION,
    DELIVER_CARD_STATE,
    DELIVER_CARD_STATES,
    QUEUES,
    Deliveries,
    read_keys,
)
from certificate_registry.operations.expiry import EXPIRY_QUEUE, ExpiredRecords
from certificate_registry.operations.notices import NOTICES_QUEUE, SEND_NOTICES, Notices
from certificate_registry.operations.revocation import RevocationListFetch
from certificate_registry.operations.revocation_request import FETCH_LISTS, LISTS_QUEUE
from servicekit import jobs


def create_work(
    *,
    revocation_lists: RevocationListFetch,
    card_trust: CardTrust,
    deliveries: Deliveries,
    notices: Notices,
    expired_records: ExpiredRecords,
) -> jobs.Work:
    """Returns the tasks, under the names by which operations enqueue them."""
    work = jobs.Work()

    @work.periodic("* * * * * */15", FETCH_LISTS, queue=LISTS_QUEUE)
    async def fetch_crls(_arguments: dict[str, Any]) -> None:
        await revocation_lists.fetch_due()

    @work.periodic("* * * * *", REFRESH_TRUST, queue=TRUST_QUEUE)
    async def refresh_trust(_arguments: dict[str, Any]) -> None:
        await card_trust.refresh()

    @work.task(COPY_LIMITS, queue=TRUST_QUEUE, timeout=300)
    async def copy_limits(arguments: dict[str, Any]) -> None:
        await card_trust.copy_limits([bytes.fromhex(path) for path in arguments["paths"]])

    @work.task(JUDGE_CARDS, queue=TRUST_QUEUE, timeout=120)
    async def judge_cards(arguments: dict[str, Any]) -> None:
        await card_trust.judge([bytes.fromhex(path) for path in arguments["paths"]], bytes.fromhex(arguments["after"]))

    for task, queues, timeout in ((DELIVER_CARD_STATE, QUEUES, 30), (DELIVER_CARD_STATES, BULK_QUEUES, 300)):
        first, *further = queues.values()

        @work.task(task, queue=first, further_queues=further, timeout=timeout)
        async def deliver_card_states(arguments: dict[str, Any]) -> jobs.Replacements:
            return await deliveries.deliver(arguments["consumer"], read_keys(arguments["cards"]))

        for consumer, queue in queues.items():
            work.wait_for(consumer, queue=queue)

    @work.task(SEND_NOTICES, queue=NOTICES_QUEUE)
    async def send_notices(arguments: dict[str, Any]) -> jobs.Replacements:
        return await notices.send([UUID(notice_id) for notice_id in arguments["notice_ids"]])

    @work.periodic("* * * * *", "delete_challenges", queue=EXPIRY_QUEUE)
    async def delete_challenges(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_challenges()

    @work.periodic("*/10 * * * *", "delete_sessions", queue=EXPIRY_QUEUE)
    async def delete_sessions(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_sessions()

    @work.periodic("23 * * * *", "delete_left_behind", queue=EXPIRY_QUEUE)
    async def delete_left_behind(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_left_behind()

    work.wait_for(CONTACT_NOTIFICATION, queue=NOTICES_QUEUE)
    return work
