"""The background work: sending mails, and clearing what was staged and never committed."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contact_notification import mail, store
from contact_notification.domain import GRACE, SESSION_MAXIMUM
from contact_notification.metrics import MailMetrics
from contact_notification.settings import Settings
from contact_notification.staging import Staging
from instance_profile.model import Profile
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database

if TYPE_CHECKING:
    from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryAsyncStub

log = logging.getLogger(__name__)

# How many pending registrations one run clears at most; a run begins every minute.
MOST_CLEARED = 500
# A request whose tombstone was forgotten here still has the one in certificate-registry.
TOMBSTONES_KEPT = timedelta(days=30)


def work(
    *,
    database: Database,
    profile: Profile,
    registry: "CertificateRegistryAsyncStub",
    settings: Settings,
    clock: Callable[[], datetime],
    metrics: MailMetrics,
) -> jobs.Work:
    """The tasks of the worker."""
    tasks = jobs.Work()
    sender = mail.sender_address(profile, settings.mail_sender)
    staging = Staging(database=database, profile=profile, registry=registry, mail_domain=mail.domain_of(sender))

    @tasks.task("send_mail", queue="mail", timeout=90)
    async def send_mail(arguments: dict[str, Any]) -> None:
        """Sends one mail of the outbox.

        At least once: it is recorded as sent after the server took it, so a crash in between sends it again. The other
        way round a crash would lose it, and nobody would know that a card was registered. A mailbox can tell the
        second copy by its Message-ID, which is the same in every try (RFC 5322, 3.6.4).
        """
        mail_id = UUID(arguments["mail_id"])
        async with database.read() as connection:
            waiting = await store.mail_to_send(connection, mail_id)
        if waiting is None:
            return
        try:
            message = mail.write(waiting, profile, sender)
            await mail.send(message, waiting.recipient.mail_address, sender, settings)
        except mail.MailNotDeliverable as failure:
            metrics.not_deliverable(failure.smtp_code)
            log.error("mail %s can't be delivered, SMTP code %s", mail_id, failure.smtp_code)
            async with database.transaction() as connection:
                await store.mail_failed(connection, mail_id, smtp_code=failure.smtp_code, now=clock())
            return
        except Refusal as refusal:
            metrics.not_taken(refusal)
            raise
        metrics.sent()
        async with database.transaction() as connection:
            await store.mail_sent(connection, mail_id, now=clock())

    @tasks.periodic("* * * * *", "clear_pending", queue="events")
    async def clear_pending(arguments: dict[str, Any]) -> None:
        """Makes an end of what was staged too long ago to be committed still."""
        now = clock()
        async with database.read() as connection:
            expired = await store.pending_since(connection, now - SESSION_MAXIMUM - GRACE, most=MOST_CLEARED)
        for certificate_sha256, request_id in expired:
            try:
                await staging.settle(certificate_sha256, request_id, now)
            except Refusal as refusal:
                # One that can't be settled must not hold up the others; the next minute tries again.
                log.warning("request %s stays pending: %s", request_id, refusal)
        async with database.transaction() as connection:
            await store.forget_tombstones(connection, now - TOMBSTONES_KEPT)

    return tasks
