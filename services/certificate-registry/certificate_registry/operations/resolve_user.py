"""The bidder of a card, and whether the card is valid there, at every log-in of every e-bidding system (SYN-08).

The busiest call of the system, most of all in the last minutes before a deadline. Concurrent lookups share a query
over their keys, sent when no more arrive for some turns of the event loop, or when it is full. A single lookup is sent
at once, in its caller's task, so that one caller never waits for others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence, Set
from hashlib import sha256
from itertools import zip_longest
from typing import NoReturn, TypeAlias

import psycopg

from certificate_registry.domain.verdict import SHA256_BYTES, LookupKey, Resolution, Verdict
from certificate_registry.store.lookup import resolve
from instance_profile.model import Profile
from instance_profile.offers import require_agency, require_category
from refusals import Code, Refusal
from servicekit.database import Database

log = logging.getLogger(__name__)

_PendingLookup: TypeAlias = tuple[LookupKey, asyncio.Future[Resolution]]

# Of a certificate in DER: what the front door takes.
MOST_CERTIFICATE_BYTES = 16 * 1024
# Keys of a full query, and of one that is not worth waiting for more.
MOST_KEYS, HALF_FULL = 24, 12
# Event-loop turns without a new lookup before the batch is sent: few when one lookup waits, more under load, because
# concurrent lookups arrive several turns apart.
QUIET_TURNS_ALONE = 2
QUIET_TURNS_UNDER_LOAD = 12
# Seconds after which a query is given up; the caller then tries again.
PATIENCE = 5.0

# Plain numbers, since an enumeration's members take longer to find and compare.
_GOOD, _UNDER_REVIEW = int(Verdict.GOOD), int(Verdict.UNDER_REVIEW)


class UserResolver:
    """Resolves cards to bidders, for the agencies and categories of one profile."""

    def __init__(self, *, profile: Profile, lookups: "BatchedLookups") -> None:
        self._profile = profile
        self._lookups = lookups
        self._agencies = frozenset(agency.code for agency in profile.agencies)
        self._categories = frozenset(category.code for category in profile.categories)

    def resolve(self, key: LookupKey, certificate: bytes, *, possession_verified: bool) -> Awaitable[Resolution]:
        """Returns the resolution of a card whose holder proved possession of it.

        `certificate` (DER) may be empty; it changes nothing of the answer, but must be the one of the key.
        Raises POSSESSION_NOT_VERIFIED, AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CERTIFICATE_SHA256_INVALID, INPUT_TOO_LARGE,
        CERTIFICATE_SHA256_DIFFERS, and when awaited REGISTRY_UNAVAILABLE. Not a coroutine function, because one more
        coroutine per log-in would be measurable.
        """
        if not possession_verified:
            raise Refusal("POSSESSION_NOT_VERIFIED", Code.FAILED_PRECONDITION)
        agency, category, certificate_sha256 = key
        if agency not in self._agencies or category not in self._categories or len(certificate_sha256) != SHA256_BYTES:
            self._refuse(key)
        if certificate:
            _check_certificate(certificate, certificate_sha256)
        return self._lookups.look_up(key)

    def _refuse(self, key: LookupKey) -> NoReturn:
        require_agency(self._profile, key.agency)
        require_category(self._profile, key.category)
        raise Refusal("CERTIFICATE_SHA256_INVALID", Code.INVALID_ARGUMENT)


def list_good_during_review(profile: Profile) -> Set[str]:
    """Returns the agencies at which a new card is good while changed company data is under review (QUA-08)."""
    return frozenset(agency.code for agency in profile.agencies if agency.new_card_during_review)


def _check_certificate(certificate: bytes, certificate_sha256: bytes) -> None:
    if len(certificate) > MOST_CERTIFICATE_BYTES:
        raise Refusal("INPUT_TOO_LARGE", Code.INVALID_ARGUMENT, {"most": str(MOST_CERTIFICATE_BYTES)})
    if sha256(certificate).digest() != certificate_sha256:
        raise Refusal("CERTIFICATE_SHA256_DIFFERS", Code.INVALID_ARGUMENT)


class BatchedLookups:
    """Looks cards up, in shared queries, of which `most_queries` are under way at a time.

    `good_during_review` are the agencies at which a new card of a bidder under review is good.

    Lookups that arrive during a query join the next one. Only a full one is sent before that query returns, so that a
    hung query does not block others. One that is half full is sent as soon as it returns, and its callers are answered
    meanwhile.
    """

    def __init__(self, database: Database, *, most_queries: int, good_during_review: Set[str] = frozenset()) -> None:
        self._database = database
        self._good_during_review = good_during_review
        self._most_queries = most_queries
        self._loop = asyncio.get_running_loop()
        self._pending: list[_PendingLookup] = []
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_turn_scheduled = False
        self._pending_at_last_turn = 0
        self._quiet_turns = 0
        self._was_last_shared = False

    async def look_up(self, key: LookupKey) -> Resolution:
        """Returns the resolution of a card. Raises REGISTRY_UNAVAILABLE if the database does not answer."""
        if not (self._pending or self._running or self._was_last_shared):
            return await self._look_up_alone(key)
        answer: asyncio.Future[Resolution] = self._loop.create_future()
        self._pending.append((key, answer))
        if not self._is_turn_scheduled and (not self._running or len(self._pending) >= MOST_KEYS):
            self._schedule_turn()
        return await answer

    async def _look_up_alone(self, key: LookupKey) -> Resolution:
        # No other lookup is pending, so the query runs in the caller's task; lookups that arrive meanwhile share the
        # next one.
        self._running += 1
        try:
            return (await self._resolve([key]))[0]
        except (psycopg.Error, TimeoutError) as error:
            _log_failure(error)
            raise _unavailable() from error
        finally:
            self._finish()

    def _schedule_turn(self) -> None:
        self._is_turn_scheduled = True
        self._pending_at_last_turn = self._quiet_turns = 0
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        pending = len(self._pending)
        if self._running >= self._most_queries or (self._running and pending < MOST_KEYS):
            # The next query that returns schedules another turn.
            self._is_turn_scheduled = False
            return
        if pending == self._pending_at_last_turn:
            self._quiet_turns += 1
        else:
            self._pending_at_last_turn, self._quiet_turns = pending, 0
        is_under_load = self._was_last_shared or pending > 1
        quiet_turns = QUIET_TURNS_UNDER_LOAD if is_under_load else QUIET_TURNS_ALONE
        if pending < MOST_KEYS and self._quiet_turns < quiet_turns:
            self._loop.call_soon(self._turn)
            return
        self._is_turn_scheduled = False
        self._send()

    def _send(self) -> None:
        batch, self._pending = self._pending[:MOST_KEYS], self._pending[MOST_KEYS:]
        self._was_last_shared = len(batch) > 1
        self._running += 1
        task = self._loop.create_task(self._answer(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._pending and not self._is_turn_scheduled:
            self._schedule_turn()

    def _finish(self) -> None:
        self._running -= 1
        if len(self._pending) >= HALF_FULL:
            self._send()
        elif self._pending and not self._is_turn_scheduled:
            self._schedule_turn()

    async def _answer(self, batch: Sequence[_PendingLookup]) -> None:
        try:
            # All or none: an answer too many would be another's.
            answers = list(zip(batch, await self._resolve([key for key, _ in batch]), strict=True))
        except (psycopg.Error, TimeoutError) as error:
            if len(batch) > 1 and not isinstance(error, psycopg.OperationalError | TimeoutError):
                # One key that the database can't read must not fail the others.
                for lookup in batch:
                    self._running += 1
                    await self._answer([lookup])
                return
            _log_failure(error)
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(_unavailable())
            return
        except BaseException as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            raise
        finally:
            self._finish()
        # After the query that `_finish` may have sent, so that the database works while these callers are answered.
        self._loop.call_soon(_set_results, answers)

    async def _resolve(self, keys: Sequence[LookupKey]) -> Sequence[Resolution]:
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._read(keys)
            except psycopg.OperationalError:
                # The database was restarted, and what only reads may be repeated.
                return await self._read(keys)

    async def _read(self, keys: Sequence[LookupKey]) -> Sequence[Resolution]:
        async with self._database.read() as connection:
            resolutions = await resolve(connection, keys)
        # One too many must not get lost: see `_answer`.
        if any(resolution.verdict == _UNDER_REVIEW for resolution in resolutions):
            pairs = zip_longest(resolutions, keys)
            resolutions = [self._apply_rule(resolution, key) for resolution, key in pairs if resolution is not None]
        return resolutions

    def _apply_rule(self, resolution: Resolution, key: LookupKey | None) -> Resolution:
        """Returns a new card of a bidder under review as good where the agency's own rule says so (QUA-08)."""
        if resolution.verdict != _UNDER_REVIEW or key is None or key.agency not in self._good_during_review:
            return resolution
        return resolution._replace(verdict=_GOOD)


def _set_results(answers: Sequence[tuple[_PendingLookup, Resolution]]) -> None:
    for (_, answer), resolution in answers:
        # The caller may have gone meanwhile.
        if not answer.done():
            answer.set_result(resolution)


def _log_failure(error: Exception) -> None:
    log.error("card lookup failed: %s", type(error).__name__)


def _unavailable() -> Refusal:
    return Refusal("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE)
