"""The worker's tasks: CRLs, deliveries to other services, expiry. Each task calls one operation."""

from typing import Any
from uuid import UUID

from certificate_registry.operations.deliveries import DELIVER_PROPAGATED, DELIVER_REGISTRATION, Deliveries
from certificate_registry.operations.expiry import ExpiredRecords
from certificate_registry.operations.revocation import FETCH_LISTS, RevocationListFetch
from servicekit import jobs


def create_work(
    *, revocation_lists: RevocationListFetch, deliveries: Deliveries, expired_records: ExpiredRecords
) -> jobs.Work:
    """Returns the tasks, under the names by which operations enqueue them."""
    work = jobs.Work()

    @work.periodic("* * * * * */15", FETCH_LISTS, queue="stop")
    async def fetch_crls(_arguments: dict[str, Any]) -> None:
        await revocation_lists.fetch_due()

    @work.task(DELIVER_REGISTRATION, queue="events")
    async def deliver_registration(arguments: dict[str, Any]) -> None:
        await deliveries.deliver_registration(UUID(arguments["registration_id"]), arguments["consumer"])

    @work.task(DELIVER_PROPAGATED, queue="bulk", timeout=300)
    async def deliver_propagated(arguments: dict[str, Any]) -> None:
        await deliveries.deliver_propagated(
            bytes.fromhex(arguments["certificate_sha256"]), arguments["category"], arguments["agencies"]
        )

    @work.periodic("* * * * *", "delete_challenges", queue="events")
    async def delete_challenges(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_challenges()

    @work.periodic("*/10 * * * *", "delete_sessions", queue="bulk")
    async def delete_sessions(_arguments: dict[str, Any]) -> None:
        await expired_records.delete_sessions()

    return work
