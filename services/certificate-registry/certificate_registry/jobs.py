"""The worker's tasks: CRLs, trust in cards, card states and notices to other services, expiry.

Each task calls one operation.
"""

from typing import Any
from uuid import UUID

from certificate_registry.operations.card_trust import COPY_LIMITS, JUDGE_CARDS, REFRESH_TRUST, CardTrust
from certificate_registry.operations.deliveries import DELIVER_CARD_STATE, DELIVER_CARD_STATES, Deliveries, read_keys
from certificate_registry.operations.expiry import ExpiredRecords
from certificate_registry.operations.notices import SEND_NOTICE, Notices
from certificate_registry.operations.revocation import FETCH_LISTS, RevocationListFetch
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

    @work.periodic("* * * * * */15", FETCH_LISTS, queue="stop")
    async def fetch_crls(_arguments: dict[str, Any]) -> None:
        await revocation_lists.fetch_due()

    @work.periodic("* * * * *", REFRESH_TRUST, queue="bulk")
    async def refresh_trust(_arguments: dict[str, Any]) -> None:
        await card_trust.refresh()

    @work.task(COPY_LIMITS, queue="bulk", timeout=300)
    async def copy_limits(arguments: dict[str, Any]) -> None:
        await card_trust.copy_limits([bytes.fromhex(path) for path in arguments["paths"]])

    @work.task(JUDGE_CARDS, queue="bulk", timeout=120)
    async def judge_cards(arguments: dict[str, Any]) -> None:
        await card_trust.judge([bytes.fromhex(path) for path in arguments["paths"]], bytes.fromhex(arguments["after"]))

    @work.task(DELIVER_CARD_STATE, queue="events")
    async def deliver_card_state(arguments: dict[str, Any]) -> None:
        await deliveries.deliver(arguments["consumer"], read_keys(arguments["cards"]))

    @work.task(DELIVER_CARD_STATES, queue="bulk", timeout=300)
    async def deliver_card_states(arguments: dict[str, Any]) -> None:
        await deliveries.deliver(arguments["consumer"], read_keys(arguments["cards"]))

    @work.task(SEND_NOTICE, queue="notices")
    async def send_notice(arguments: dict[str, Any]) -> None:
        await notices.send(UUID(arguments["notice_id"]))

    @work.periodic("* * * * *", "delete_challenges", queue="events")
    async def delete_challenges(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_challenges()

    @work.periodic("*/10 * * * *", "delete_sessions", queue="bulk")
    async def delete_sessions(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_sessions()

    return work
