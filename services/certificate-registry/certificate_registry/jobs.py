"""The worker's tasks: CRLs, trust in cards, card states, officers and notices to other services, expiry.

Each task calls one operation.
"""

from typing import Any
from uuid import UUID

from certificate_registry.operations.card_trust import COPY_LIMITS, JUDGE_CARDS, REFRESH_TRUST, TRUST_QUEUE, CardTrust
from certificate_registry.operations.deliveries import (
    BULK_QUEUES,
    CARD_STOP_QUEUES,
    CONTACT_NOTIFICATION,
    DELIVER_CARD_STATE,
    DELIVER_CARD_STATES,
    DELIVER_STOP,
    QUEUES,
    Deliveries,
    read_keys,
)
from certificate_registry.operations.expiry import EXPIRY_QUEUE, ExpiredRecords
from certificate_registry.operations.notices import NOTICES_QUEUE, SEND_NOTICES, Notices
from certificate_registry.operations.officer_deliveries import (
    DELIVER_OFFICERS,
    OFFICER_QUEUES,
    STOP_OFFICERS,
    STOP_QUEUES,
    OfficerDeliveries,
)
from certificate_registry.operations.officer_notices import SEND_OFFICER_NOTICES, OfficerNotices
from certificate_registry.operations.revocation import RevocationListFetch
from certificate_registry.operations.revocation_request import FETCH_LISTS, LISTS_QUEUE
from certificate_registry.operations.suspension import CardSuspensions
from servicekit import jobs


def create_work(
    *,
    revocation_lists: RevocationListFetch,
    card_trust: CardTrust,
    deliveries: Deliveries,
    notices: Notices,
    suspensions: CardSuspensions,
    officer_deliveries: OfficerDeliveries,
    officer_notices: OfficerNotices,
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

    for task, queues, timeout in (
        (DELIVER_STOP, CARD_STOP_QUEUES, 30),
        (DELIVER_CARD_STATE, QUEUES, 30),
        (DELIVER_CARD_STATES, BULK_QUEUES, 300),
    ):
        first, *further = queues.values()

        @work.task(task, queue=first, further_queues=further, timeout=timeout)
        async def deliver_card_states(arguments: dict[str, Any]) -> jobs.Replacements:
            return await deliveries.deliver(arguments["consumer"], read_keys(arguments["cards"]))

        for consumer, queue in queues.items():
            work.wait_for(consumer, queue=queue)
    # What propagation made: stops have queues of their own.
    for queue in BULK_QUEUES.values():
        work.give_way(queue=queue)

    @work.task(SEND_NOTICES, queue=NOTICES_QUEUE)
    async def send_notices(arguments: dict[str, Any]) -> jobs.Result:
        return await notices.send([UUID(notice_id) for notice_id in arguments["notice_ids"]])

    for task, queues in ((DELIVER_OFFICERS, OFFICER_QUEUES), (STOP_OFFICERS, STOP_QUEUES)):
        first, *further = queues.values()

        @work.task(task, queue=first, further_queues=further)
        async def tell_of_officers(arguments: dict[str, Any]) -> jobs.Replacements:
            return await officer_deliveries.deliver(arguments["consumer"], arguments["person_ids"])

        for consumer, queue in queues.items():
            work.wait_for(consumer, queue=queue)

    @work.task(SEND_OFFICER_NOTICES, queue=NOTICES_QUEUE)
    async def send_officer_notices(arguments: dict[str, Any]) -> jobs.Replacements:
        return await officer_notices.send([UUID(notice_id) for notice_id in arguments["notice_ids"]])

    # At nine in the morning in Japan.
    @work.periodic("0 0 * * *", "write_expiring_officers", queue=EXPIRY_QUEUE)
    async def write_expiring_officers(_arguments: dict[str, Any]) -> None:
        await officer_notices.write_expiring()

    @work.periodic("* * * * *", "delete_challenges", queue=EXPIRY_QUEUE)
    async def delete_challenges(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_challenges()

    @work.periodic("* * * * *", "lapse_suspensions", queue=EXPIRY_QUEUE)
    async def lapse_suspensions(_arguments: dict[str, Any]) -> None:
        await suspensions.lapse()

    @work.periodic("*/10 * * * *", "delete_sessions", queue=EXPIRY_QUEUE)
    async def delete_sessions(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_sessions()

    @work.periodic("23 * * * *", "delete_left_behind", queue=EXPIRY_QUEUE)
    async def delete_left_behind(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_left_behind()

    @work.periodic("38 * * * *", "delete_of_officers", queue=EXPIRY_QUEUE)
    async def delete_of_officers(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_of_officers()

    @work.periodic("53 * * * *", "void_proposals", queue=EXPIRY_QUEUE)
    async def void_proposals(_arguments: dict[str, Any]) -> None:
        await expired_records.void_proposals()

    work.wait_for(CONTACT_NOTIFICATION, queue=NOTICES_QUEUE)
    return work
