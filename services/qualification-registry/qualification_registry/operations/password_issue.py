"""Passwords for bidders, batch by batch: kept as hashes first, sent as letters then (QUA-12, QUA-09).

No letter exists for a password that is not kept. A crash or a broken connection between the two loses the letters that
were under way: a batch, and what the connection held. Those bidders count as having a password, and get another one
with `reissue`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from instance_profile.model import Category, Profile
from qualification_registry.domain.bidders import Company
from qualification_registry.domain.passwords import new_password
from qualification_registry.domain.search import today_in_japan
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.store import bidders, passwords
from refusals import Code, Refusal
from servicekit.database import Database

# Letters that a crash of this service can lose; the hashes of so many take less than a second.
BATCH = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """What a bidder is sent."""

    company: Company
    category: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Issued:
    """A batch of letters, and how many bidders of how many are done with it."""

    letters: Sequence[Letter]
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Issuer:
    """What the issuing of passwords needs."""

    database: Database
    profile: Profile
    hashing: PasswordHashing
    clock: Callable[[], datetime]

    async def issue(
        self, category: Category, bidder_ids: Sequence[str], *, reissue: bool, officer: str
    ) -> AsyncIterator[Issued]:
        """Gives passwords to the named bidders, or to all of the category that have none.

        Raises BIDDER_UNKNOWN and PASSWORD_ALREADY_ISSUED, before anything is issued.
        """
        wanted = await self._wanted(category, bidder_ids, reissue=reissue)
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            letters = await self._batch(category, batch, reissue=reissue and bool(bidder_ids), officer=officer)
            yield Issued(letters, start + len(batch), len(wanted))

    async def _wanted(self, category: Category, bidder_ids: Sequence[str], *, reissue: bool) -> Sequence[str]:
        today = today_in_japan(self.clock())
        named = list(dict.fromkeys(bidder_ids))
        # PostgreSQL takes no NUL in a text, and no bidder id has one.
        askable = [bidder_id for bidder_id in named if bidder_id.isprintable()]
        async with self.database.read() as connection:
            found = await passwords.qualified_bidders(
                connection, category.code, today=today, bidder_ids=askable if named else None
            )
        if not named:
            return [bidder_id for bidder_id, has_password in found.items() if not has_password]
        for bidder_id in named:
            if bidder_id not in found:
                shown = "".join(filter(str.isprintable, bidder_id))[:40]
                raise Refusal("BIDDER_UNKNOWN", Code.NOT_FOUND, {"bidder_id": shown})
            if found[bidder_id] and not reissue:
                raise Refusal("PASSWORD_ALREADY_ISSUED", Code.ALREADY_EXISTS, {"bidder_id": bidder_id})
        return named

    async def _batch(
        self, category: Category, bidder_ids: Sequence[str], *, reissue: bool, officer: str
    ) -> Sequence[Letter]:
        fresh = {bidder_id: new_password(self.profile.password) for bidder_id in bidder_ids}
        hashes = await asyncio.gather(*(self.hashing.hash(password) for password in fresh.values()))
        encoded = dict(zip(fresh, hashes, strict=True))
        async with self.database.transaction() as connection:
            companies = await bidders.companies(connection, bidder_ids, category.code)
            kept = await passwords.issue(
                connection, category.code, encoded, reissue=reissue, issued_by=officer, now=self.clock()
            )
        # Whoever got a password from another officer meanwhile keeps that one, and gets no second letter.
        return [
            Letter(companies[bidder_id], category.code, password)
            for bidder_id, password in fresh.items()
            if bidder_id in kept and bidder_id in companies
        ]
