"""Issues passwords in batches: the hashes are committed first, then the letters are sent (QUA-12, QUA-09).

While one batch is stored and sent, the next ones are hashed already; nothing of them exists anywhere else.
No letter exists for a password that is not stored. A crash or a broken connection between the two loses the letters in
transit: a batch, and what the connection buffers. Their bidders count as having a password, and get another one with
`reissue`. One act of the officer is for all of them: the first batch uses it up, and its request is that of all entries
of the history. There is one for the act, and one for each bidder, written with the hashes: what a call did not come to
is in none.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice

from history.entries import Chain, Entry
from history.writing import write_history
from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from instance_profile.offers import Offer, require_offer
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.domain.bidders import can_be_bidder_id, refuse_unknown_bidder
from qualification_registry.domain.history import describe_order, describe_passwords
from qualification_registry.domain.passwords import (
    IssueOrder,
    LetterBatch,
    PasswordLetter,
    check_order,
    generate_password,
    refuse_issued_before,
)
from qualification_registry.operations.circumstances import find_act_circumstances
from qualification_registry.store import bidders, passwords
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

# Letters that a crash of this service can lose; hashing a batch takes less than a second.
BATCH = 20
# Batches that are hashed at a time: enough for every thread while one of them is short of its last hashes.
_BATCHES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class _NewPassword:
    plain: str = field(repr=False)
    encoded: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordIssue:
    """Passwords for the bidders of an agency in a category. A password counts at every agency.

    Raises ValueError when it is built where no password fits the profile's rule, so that a service does not start.
    """

    database: Database
    profile: Profile
    hashing: PasswordHashing
    chain: Chain
    clock: DatabaseClock

    def __post_init__(self) -> None:
        generate_password(self.profile.password)

    async def issue(
        self, act: OfficerAct, agency_code: str, category_code: str, order: IssueOrder
    ) -> AsyncGenerator[LetterBatch, None]:
        """Issues passwords to the named bidders, or to all of the agency and category without one; yields the letters.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED, BIDDER_UNKNOWN (also for a bidder of another
        agency), PASSWORD_ALREADY_ISSUED, OFFICER_REASON_INVALID, what `check_order` and `take_act` raise, and
        PASSWORDS_ISSUED_BEFORE for a request that issued passwords, all before any password is issued.
        """
        offer = require_offer(self.profile, agency_code, category_code)
        check_order(order)
        if order.is_reissue:
            check_reason(order.reason)
        recipients = await self._list_recipients(act, offer, order)
        done = 0
        async with aclosing(self._make_passwords(recipients)) as batches:
            async for batch in batches:
                first_of = len(recipients) if not done else None
                letters = await self._issue_batch(act, offer, order, batch, first_of=first_of)
                done += len(batch)
                yield LetterBatch(letters, done, len(recipients))

    async def _list_recipients(self, act: OfficerAct, offer: Offer, order: IssueOrder) -> Sequence[str]:
        named = list(dict.fromkeys(order.bidder_ids))
        async with self.database.read() as connection:
            await _require_first(connection, act)
            today = find_japan_day(await self.clock(connection))
            has_password = await passwords.list_qualified_bidders(
                connection,
                offer.category.code,
                agency=offer.agency.code,
                today=today,
                bidder_ids=list(filter(can_be_bidder_id, named)) if named else None,
            )
        if not named:
            return [bidder_id for bidder_id, has in has_password.items() if not has]
        for bidder_id in named:
            if bidder_id not in has_password:
                raise refuse_unknown_bidder(bidder_id)
            if has_password[bidder_id] and not order.is_reissue:
                raise Refusal("PASSWORD_ALREADY_ISSUED", Code.ALREADY_EXISTS, {"bidder_id": bidder_id})
        return named

    async def _make_passwords(self, bidder_ids: Sequence[str]) -> AsyncGenerator[Mapping[str, _NewPassword], None]:
        """Yields new passwords batch by batch, and hashes the next batches meanwhile."""
        batches = (bidder_ids[start : start + BATCH] for start in range(0, len(bidder_ids), BATCH))
        tasks = deque(asyncio.create_task(self._make_batch(batch)) for batch in islice(batches, _BATCHES_AT_ONCE))
        try:
            while tasks:
                yield await tasks[0]
                tasks.popleft()
                tasks.extend(asyncio.create_task(self._make_batch(batch)) for batch in islice(batches, 1))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _make_batch(self, bidder_ids: Sequence[str]) -> Mapping[str, _NewPassword]:
        plain = [generate_password(self.profile.password) for _ in bidder_ids]
        hashes = await asyncio.gather(*map(self.hashing.hash, plain))
        return dict(zip(bidder_ids, map(_NewPassword, plain, hashes), strict=True))

    async def _issue_batch(
        self,
        act: OfficerAct,
        offer: Offer,
        order: IssueOrder,
        new_passwords: Mapping[str, _NewPassword],
        *,
        first_of: int | None,
    ) -> Sequence[PasswordLetter]:
        """Issues a batch; the first one, of `first_of` passwords in all, takes the act."""
        agency, category = offer.agency.code, offer.category.code
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            circumstances = find_act_circumstances(act, now)
            entries: list[Entry] = []
            if first_of is not None:
                await _require_first(connection, act)
                await take_act(connection, act, now)
                # The letters are nowhere: a repetition only learns that they were sent.
                await save_outcome(connection, act, {})
                entries.append(describe_order(circumstances, agency, category, order, first_of))
            qualifications = await bidders.list_qualifications(
                connection, list(new_passwords), category, agency=agency, today=find_japan_day(now)
            )
            # A bidder that an import took from the agency meanwhile keeps the password it has.
            saved = await passwords.save_passwords(
                connection,
                category,
                {bidder_id: new_passwords[bidder_id].encoded for bidder_id in qualifications},
                reissue=order.is_reissue,
                issued_by=act.officer.name,
                now=now,
            )
            entries.extend(describe_passwords(circumstances, agency, category, order, saved))
            await write_history(connection, self.chain, entries)
        # A bidder that got a password from another officer meanwhile keeps that one, and gets no second letter.
        return [
            PasswordLetter(qualifications[bidder_id].company, category, password.plain)
            for bidder_id, password in new_passwords.items()
            if bidder_id in saved
        ]


async def _require_first(connection: Connection, act: OfficerAct) -> None:
    if await find_outcome(connection, act) is not None:
        raise refuse_issued_before()
