"""Counts the tries to send mails, by result; the mails that wait are jobs of the queue `mail`."""

from prometheus_client import Counter

from refusals import Refusal
from servicekit.metrics import Metrics

# The recipient's address is not a mail address.
NOT_AN_ADDRESS = "not_an_address"
# The mail server refused the recipient or the message permanently.
REFUSED = "refused"
# The mail server refused for now, or it refused us.
PUT_OFF = "put_off"
# No mail server answered, or not one that we trust.
UNREACHABLE = "unreachable"
KINDS = (NOT_AN_ADDRESS, REFUSED, PUT_OFF, UNREACHABLE)


class MailMetrics:
    """Counts the mails of one worker, by the result of each try."""

    def __init__(self, metrics: Metrics) -> None:
        self._sent = Counter("toroku_mails_sent_total", "Mails that the mail server took", registry=metrics.registry)
        self._failures = Counter(
            "toroku_mail_failures_total",
            "Tries to send a mail that failed, by kind; a mail that was put off or met no server is tried again",
            ("kind",),
            registry=metrics.registry,
        )
        for kind in KINDS:
            self._failures.labels(kind)

    def sent(self) -> None:
        """Counts a mail that the server accepted."""
        self._sent.inc()

    def not_deliverable(self, smtp_code: int | None) -> None:
        """Counts a mail that no further try can deliver; without an SMTP code it was not even offered."""
        self._failures.labels(NOT_AN_ADDRESS if smtp_code is None else REFUSED).inc()

    def not_taken(self, refusal: Refusal) -> None:
        """Counts a try that is repeated later: the refusal's `answer` is an SMTP code, or the name of an exception."""
        self._failures.labels(PUT_OFF if refusal.metadata.get("answer", "").isdigit() else UNREACHABLE).inc()
