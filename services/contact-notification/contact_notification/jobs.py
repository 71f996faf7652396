"""The background work of contact-notification: each task calls one operation."""

from typing import Any
from uuid import UUID

from contact_notification.operations.expiry import DELETE_EXPIRED, ExpiredRecords
from contact_notification.operations.failed_mails import FORGET_ADDRESSES, FailedMails
from contact_notification.operations.mails import MAIL_QUEUE, SEND_MAIL, SERVER_UNUSABLE, MailSending
from contact_notification.operations.owner_events import AGENCY_SYNC, OWNERS_QUEUE, SEND_OWNERS, OwnerEvents
from contact_notification.operations.settlement import CLEAR_PENDING, EVENTS_QUEUE, Settlement
from servicekit import jobs


def register_tasks(
    *,
    mail_sending: MailSending,
    owner_events: OwnerEvents,
    failed_mails: FailedMails,
    settlement: Settlement,
    expired_records: ExpiredRecords,
) -> jobs.Work:
    """Returns the tasks of the worker."""
    tasks = jobs.Work()
    # What it says of one mail is no sign that it would not take the next.
    tasks.wait_for("the mail server", queue=MAIL_QUEUE, reasons=(SERVER_UNUSABLE,))

    @tasks.task(SEND_MAIL, queue=MAIL_QUEUE, timeout=130)
    async def send_mail(arguments: dict[str, Any]) -> jobs.Result:
        return await mail_sending.send(UUID(arguments["mail_id"]))

    @tasks.task(SEND_OWNERS, queue=OWNERS_QUEUE, timeout=60)
    async def send_contact_owners(arguments: dict[str, Any]) -> jobs.Replacements:
        return await owner_events.send(arguments["owners"])

    tasks.wait_for(AGENCY_SYNC, queue=OWNERS_QUEUE)

    @tasks.periodic("* * * * *", CLEAR_PENDING, queue=EVENTS_QUEUE)
    async def clear_pending(_: dict[str, Any]) -> None:
        await settlement.settle_expired()

    @tasks.periodic("17 * * * *", FORGET_ADDRESSES, queue=EVENTS_QUEUE)
    async def forget_addresses(_: dict[str, Any]) -> None:
        await failed_mails.forget_addresses()

    @tasks.periodic("37 * * * *", DELETE_EXPIRED, queue=EVENTS_QUEUE)
    async def delete_expired(_: dict[str, Any]) -> None:
        await expired_records.delete_expired()

    return tasks
