"""The worker's tasks: CRLs, trust in cards, deliveries to other services, expiry. Each task calls one operation."""

from typing import Any
from uuid import UUID

from certificate_registry.operations.card_trust import COPY_LIMITS, JUDGE_CARDS, REFRESH_TRUST, CardTrust
from certificate_registry.operations.deliveries import DELIVER_PROPAGATED, DELIVER_REGISTRATION, Deliveries
from certificate_registry.operations.expiry import ExpiredRecords
from certificate_registry.operations.revocation import FETCH_LISTS, RevocationListFetch
from servicekit import jobs


def create_work(
    *,
    revocation_lists: RevocationListFetch,
    card_trust: CardTrust,
    deliveries: Deliveries,
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

    @work.task(DELIVER_REGISTRATION, queue="events")
    async def deliver_registration(arguments: dict[str, Any]) -> None:
        await deliveries.deliver_registration(UUID(arguments["registration_id"]), arguments["consumer"])

    @work.task(DELIVER_PROPAGATED, queue="bulk", timeout=300)
    async def deliver_propagated(arguments: dict[str, Any]) -> None:
        await deliveries.deliver_propagated(
            bytes.fromhex(arguments["certificate_sha256"]), arguments["category"], arguments["agencies"]
        )

    @work.periodic("*/10 * * * *", "delete_expired", queue="bulk")
    async def delete_expired(_arguments: dict[str, Any]) -> None:
        await expired_records.delete()

    return work
