"""What was refused to contractors, on its way to the help desk's record: best effort, and never waited for."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from refusals import Refusal
from servicekit.token_buckets import Rate, TokenBuckets

log = logging.getLogger(__name__)

# Incidents that wait for the record; of more the oldest are lost.
_MOST_WAITING = 2_000
# Of one call.
_PORTION = 200
# Seconds between two calls, and after one that failed.
_PAUSE, _PAUSE_AFTER_FAILURE = 1.0, 10.0
# What one card may cause, and what all may that no card has proven: strangers can't fill the record.
_BY_CARD, _UNPROVEN = Rate(20, 0.2), Rate(200, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One step that was refused; never what a person typed. Empty where nothing is known."""

    incident_id: UUID
    # 照会番号: the trace id, 32 hexadecimal digits.
    inquiry_number: str
    happened_at: datetime
    operation: str
    step: str
    agency: str
    category: str
    certificate_sha256: bytes
    bidder_id: str
    reason: str
    metadata: Mapping[str, str]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose step it is, as far as it was proven: the card (SHA-256 of the certificate) and its bidder; or empty."""

    certificate_sha256: bytes = b""
    bidder_id: str = ""


_NOBODY = Subject()
_subject: ContextVar[Subject] = ContextVar("incident_subject", default=_NOBODY)


def note_subject(certificate_sha256: bytes, bidder_id: str = "") -> None:
    """Says whose call is running, once its card has proven itself."""
    _subject.set(Subject(certificate_sha256, bidder_id))


def find_subject() -> Subject:
    """Returns whose call is running, as far as it was proven."""
    return _subject.get()


def list_field_reasons(refusal: Refusal) -> Mapping[str, str]:
    """Returns the invalid fields of a refusal with their reasons."""
    return {violation.field: violation.reason for violation in refusal.violations}


class IncidentLog:
    """Sends incidents in batches, by a task beside the calls."""

    def __init__(self, send: Callable[[Sequence[Incident]], Awaitable[None]]) -> None:
        self._send = send
        self._waiting: deque[Incident] = deque(maxlen=_MOST_WAITING)
        self._by_card, self._unproven = TokenBuckets(_BY_CARD), TokenBuckets(_UNPROVEN)
        self._some = asyncio.Event()

    def note(self, incident: Incident) -> None:
        """Has an incident sent, unless there are too many."""
        card = find_subject().certificate_sha256
        if (self._by_card.take(card) if card else self._unproven.take("")) == 0:
            self._waiting.append(incident)
            self._some.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends what is noted until the block ends, and then what waits, unless that fails."""
        sending = asyncio.create_task(self._send_all())
        try:
            yield
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            while self._waiting and await self._send_portion():
                pass

    async def _send_all(self) -> None:
        while True:
            await self._some.wait()
            # Others come with the first one.
            await asyncio.sleep(_PAUSE)
            self._some.clear()
            while self._waiting:
                if not await self._send_portion():
                    await asyncio.sleep(_PAUSE_AFTER_FAILURE)

    async def _send_portion(self) -> bool:
        portion = [self._waiting.popleft() for _ in range(min(_PORTION, len(self._waiting)))]
        if not portion:
            return True
        try:
            await self._send(portion)
        except Refusal as refusal:
            log.warning("%s incidents are not on record for the help desk: %s", len(portion), refusal.reason)
            return False
        return True
