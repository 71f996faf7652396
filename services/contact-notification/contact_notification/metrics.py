"""Counts mails by the result of each try, and what people have to see to: mails not taken, contacts missing."""

from prometheus_client import Counter

from contact_notification.domain.mail import FailedTry
from contact_notification.store import mails, missing_contacts
from servicekit.database_connection import Connection
from servicekit.metrics import Metrics, Snapshot


class MailMetrics:
    """The mails of one worker by the result of each try, and those of all workers that the mail server did not take."""

    def __init__(self, metrics: Metrics) -> None:
        self._sent = Counter("toroku_mails_sent_total", "Mails that the mail server took", registry=metrics.registry)
        self._failures = Counter(
            "toroku_mail_failures_total",
            "Tries to send a mail that failed, by kind; put_off and server_unusable are tried again",
            ("kind",),
            registry=metrics.registry,
        )
        for result in FailedTry:
            self._failures.labels(result)
        self._not_taken = Snapshot(
            metrics,
            "toroku_mails_not_taken",
            "Mails that the mail server refused or did not take since it last took one, by result of their last try",
            ("kind",),
        )

    def sent(self) -> None:
        """Counts a mail that the server accepted."""
        self._sent.inc()

    def failed(self, result: FailedTry) -> None:
        """Counts a try that did not send its mail, and a mail that is given up with it."""
        self._failures.labels(result).inc()

    async def look(self, connection: Connection) -> None:
        """Reads the mails that were not taken; for `Metrics.refreshed`."""
        counts = dict.fromkeys(mails.OFFERED, 0) | dict(await mails.count_not_taken(connection))
        self._not_taken.replace({(result,): count for result, count in counts.items()})


class ContactMetrics:
    """The registrations whose contacts never can become active."""

    def __init__(self, metrics: Metrics) -> None:
        self._missing = Snapshot(
            metrics,
            "toroku_registrations_without_contacts",
            "Committed registrations that no contacts of their own act were staged for, by reason",
            ("reason",),
        )

    async def look(self, connection: Connection) -> None:
        """Reads the registrations without contacts; for `Metrics.refreshed`."""
        counts = await missing_contacts.count_missing(connection)
        self._missing.replace({(reason,): count for reason, count in counts.items()})
