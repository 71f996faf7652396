"""A process that records states of cards until it is killed: `python -m tests.support.feed_writing_process <dsn> <n>`.

It takes turns with others at the same cards, `n` says which one it is, and works off what one transaction can't append.
"""

import asyncio
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from uuid import NAMESPACE_OID, uuid5

from psycopg.errors import DeadlockDetected

from agency_sync.domain.card_state import (
    AgencyRegistration,
    CardState,
    Certificate,
    CompanyComparison,
    HolderComparison,
    Origin,
    Proven,
    RegistrationState,
    Standing,
)
from agency_sync.operations.feed_appending import FeedAppending
from agency_sync.operations.record import CardStateRecord
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.versions import Version
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, WORKS

CARDS = 400
_CERTIFICATE = Certificate(Standing.TRUSTED, datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
_PROVEN = Proven(True, CompanyComparison.SAME, HolderComparison.CONTRACT_PARTY)


def make_state(card: int, number: int) -> CardState:
    """Returns the state of a card at a version; every second one is suspended."""
    registrations = {
        agency: AgencyRegistration(uuid5(NAMESPACE_OID, f"{card} {agency}"), RegistrationState.GOOD, Origin.PROPAGATION)
        for agency in (PREFECTURE, CITY)
    }
    return CardState(
        certificate_sha256=sha256(str(card).encode()).digest(),
        category=WORKS,
        version=Version(1, number),
        bidder_id=BIDDER,
        is_live=True,
        is_suspended=number % 2 == 1,
        proven=_PROVEN,
        registrations=registrations,
        certificate=_CERTIFICATE,
    )


async def main(dsn: str, place: str) -> None:
    """Records state after state, and never rests."""
    async with Database.open(dsn, pool=2) as database:
        feeds = FeedAppending(database=database, rules={WORKS: {PREFECTURE: True, CITY: True}})
        record = CardStateRecord(database=database, clock=read_time, propagates=False, offering={}, feeds=feeds)
        print("begins", flush=True)
        for turn in count(1):
            # All cards at times, which is more than one transaction appends, and a few of them else.
            cards = range(CARDS) if turn % 5 == 0 else range(int(place), CARDS, 40)
            # Of two processes that took a version at the same instant one is told nothing.
            number = time.monotonic_ns() // 1000 * 2 + turn % 2
            # As a caller repeats a call that failed.
            with suppress(DeadlockDetected):
                await record.record([make_state(card, number) for card in cards])
                await feeds.append_pending()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
