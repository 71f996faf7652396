"""Each trusted instance: whether it is reached, by which certificate, and how far this PC's clock is from its own."""

import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509

from card_agent.console import diagnosis_words as words
from card_agent.console.words import Words, to_words
from card_agent.diagnosis.findings import Finding, Section, find_refused
from card_agent.signing.certificate import format_japanese_date
from card_agent.trust import TrustedInstance
from refusals import Refusal
from toroku.frontdoor.v1 import front_door_pb2

_CONNECT_SECONDS = 10.0
_HTTPS_PORT = 443
# Farther than any clock that is set by the network, and near enough for certificates and log-ins.
_MOST_DIFFERENCE = timedelta(minutes=2)

DescribeInstance = Callable[[TrustedInstance], front_door_pb2.Instance]


@dataclass(frozen=True, slots=True)
class LookedAt:
    """An instance's section, and what it said of itself; None where it did not answer, or another one did."""

    section: Section
    instance: front_door_pb2.Instance | None = None


def look_at_instances(trusted: Sequence[TrustedInstance], describe: DescribeInstance) -> tuple[LookedAt, ...]:
    """Returns each trusted instance; `describe` calls one and raises its refusals."""
    if not trusted:
        none = Finding(words.TRUSTED, words.NONE_TRUSTED, is_problem=True, advice=words.NONE_TRUSTED_ADVICE)
        return (LookedAt(Section(words.TRUSTED, (none,))),)
    return tuple(_look_at(each, describe) for each in trusted)


def measure_clock(instance: front_door_pb2.Instance, asked_at: datetime, answered_at: datetime) -> Finding | None:
    """Returns how far this PC's clock is ahead of the server's, which lies between question and answer."""
    if not instance.opening.HasField("now"):
        return None
    middle = asked_at + (answered_at - asked_at) / 2
    difference = middle - instance.opening.now.ToDatetime(tzinfo=UTC)
    value = words.fill(words.CLOCK_EQUAL, seconds=f"{difference.total_seconds():+.0f}")
    if abs(difference) <= _MOST_DIFFERENCE:
        return Finding(words.CLOCK, value)
    return Finding(words.CLOCK, value, is_problem=True, advice=words.CLOCK_ADVICE)


def _look_at(trusted: TrustedInstance, describe: DescribeInstance) -> LookedAt:
    title = Words(trusted.id, trusted.id)
    findings = [Finding(words.ENDPOINT, trusted.endpoint)]
    instance = None
    started, asked_at = time.monotonic(), datetime.now(UTC)
    try:
        instance = describe(trusted)
    except Refusal as refusal:
        findings.append(find_refused(words.CONNECTION, refusal))
    else:
        milliseconds = f"{(time.monotonic() - started) * 1000:.0f}"
        findings.append(Finding(words.CONNECTION, words.fill(words.CONNECTED, milliseconds=milliseconds)))
        clock = measure_clock(instance, asked_at, datetime.now(UTC))
        if clock is not None:
            findings.append(clock)
        if instance.id == trusted.id:
            title = Words(f"{instance.name.ja}（{trusted.id}）", f"{instance.name.en} ({trusted.id})")
            findings.append(Finding(words.OPENING, words.OPEN if instance.opening.open else words.CLOSED))
        else:
            other = words.fill(words.INSTANCE_OTHER, found=instance.id)
            findings.append(Finding(title, other, is_problem=True, advice=words.INSTANCE_OTHER_ADVICE))
            instance = None
    host, _, port = trusted.endpoint.rpartition(":")
    findings.append(_look_at_certificate(words.SERVER_CERTIFICATE, host.strip("[]"), int(port), _read_roots(trusted)))
    if trusted.portal:
        address = urlsplit(trusted.portal)
        portal = _look_at_certificate(
            words.PORTAL_CERTIFICATE, address.hostname or "", address.port or _HTTPS_PORT, None
        )
        findings += [Finding(words.PORTAL, trusted.portal), portal]
    return LookedAt(Section(title, tuple(findings)), instance)


def _read_roots(trusted: TrustedInstance) -> str | None:
    # Without a file, or with one that can't be read, the system's decide; the connection says what is wrong.
    try:
        return trusted.authority.read_text("ascii") if trusted.authority is not None else None
    except (OSError, ValueError):
        return None


def _look_at_certificate(label: Words, host: str, port: int, roots: str | None) -> Finding:
    """Returns until when the certificate of a server is valid, if it is verified by the roots, or by the system's."""
    try:
        context = ssl.create_default_context(cadata=roots)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection((host, port), _CONNECT_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host) as secured,
        ):
            der = secured.getpeercert(binary_form=True) or b""
        ends = x509.load_der_x509_certificate(der).not_valid_after_utc
    except ssl.SSLError as error:
        detail = getattr(error, "verify_message", "") or error.reason or type(error).__name__
        return Finding(
            label, words.fill(words.NOT_VERIFIED, detail=str(detail)), is_problem=True, advice=words.NOT_VERIFIED_ADVICE
        )
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or type(error).__name__
        value = words.fill(words.UNREACHABLE, detail=str(detail))
        # This look goes to the server itself, and so fails where a proxy is the only way out.
        is_problem = not urllib.request.getproxies()
        return Finding(label, value, is_problem, words.UNREACHABLE_ADVICE if is_problem else None)
    return Finding(label, words.fill(words.VERIFIED_UNTIL, date=format_japanese_date(ends)))


def name_authorities(instances: Sequence[front_door_pb2.Instance]) -> dict[str, Words]:
    """Returns the names of the instances' CAs by their ids."""
    return {authority.id: to_words(authority.name) for each in instances for authority in each.card_authorities}
