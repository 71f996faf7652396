"""Officers are withdrawn, many at a time after a preview (LIF-08), and looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.officer import (
    Officer,
    PersonToWithdraw,
    check_persons,
    require_administrators_left,
    require_officer,
)
from certificate_registry.operations.officer_deliveries import OfficerDeliveries, stop_officers
from certificate_registry.operations.officer_invitations import describe_act
from certificate_registry.store import officers
from history.entries import Chain
from history.writing import write_history
from instance_profile.characters import shorten_visible
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from refusals import Code, Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR, Caller

UNKNOWN = "OFFICER_UNKNOWN"
WITHDRAWN = "OFFICER_WITHDRAWN"


# Of a person id that may be anything.
_MOST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class WithdrawalPreview:
    """What a withdrawal would do. `refused_because` is about all of them together."""

    persons: Sequence[PersonToWithdraw]
    refused_because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerWithdrawal:
    """Withdraws officers, all or none."""

    database: Database
    chain: Chain
    deliveries: OfficerDeliveries
    clock: DatabaseClock

    async def preview(self, caller: Caller, agency: str, person_ids: Sequence[str]) -> WithdrawalPreview:
        """Returns what `withdraw` would do, in the order of the persons. Raises PERSONS_INVALID."""
        check_persons(person_ids)
        async with self.database.read() as connection:
            now = await self.clock(connection)
            persons = await _read_persons(connection, agency, person_ids)
            refused_because = ""
            # Of other agencies' persons nothing is said.
            withdrawable = [person.person_id for person in persons if not person.refused_because]
            try:
                await _require_others_left(connection, withdrawable, now, is_by_operator=caller.is_operators_officer)
            except Refusal as refusal:
                refused_because = refusal.reason
            return WithdrawalPreview(persons, refused_because)

    async def withdraw(
        self, act: OfficerAct, agency: str, person_ids: Sequence[str], reason: str
    ) -> tuple[int, Sequence[str]]:
        """Withdraws officers; returns how many, and the services that do not know of it yet.

        Raises PERSONS_INVALID, OFFICER_REASON_INVALID, OFFICERS_NOT_WITHDRAWABLE, LAST_ADMINISTRATOR, and as
        `take_act`.
        """
        check_persons(person_ids)
        check_reason(reason)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            await officers.lock_changes(connection)
            if await find_outcome(connection, act) is None:
                await take_act(connection, act, now)
                persons = await _read_persons(connection, agency, person_ids)
                _require_all(persons)
                is_by_operator = act.officer.is_operators_officer
                await _require_others_left(connection, person_ids, now, is_by_operator=is_by_operator)
                await officers.withdraw_officers(connection, person_ids, now)
                before = {
                    each.officer.person_id: ", ".join(sorted(each.officer.roles))
                    for each in persons
                    if each.officer is not None
                }
                entry = describe_act(
                    act,
                    HistoryAction.OFFICERS_WITHDRAWN,
                    agency,
                    now,
                    before={"roles": before},
                    after={"reason": reason},
                )
                await write_history(connection, self.chain, [entry])
                await jobs.enqueue_together(connection, stop_officers(person_ids))
                await save_outcome(connection, act, {})
        return len(person_ids), await self.deliveries.tell_now(person_ids)

    async def list(self, agency: str, *, after: str, most: int, withdrawn: bool) -> tuple[Sequence[Officer], datetime]:
        """Returns officers of an agency by person id, and the instant of the answer."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
            return await officers.list_officers(connection, agency, after=after, most=most, withdrawn=withdrawn), now

    async def get(self, agency: str, person_id: str) -> tuple[Officer, datetime]:
        """Returns an officer of an agency, and the instant of the answer. Raises OFFICER_UNKNOWN."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
            return require_officer(await officers.find_officer(connection, person_id), agency), now


async def _read_persons(connection: Connection, agency: str, person_ids: Sequence[str]) -> Sequence[PersonToWithdraw]:
    found = {officer.person_id: officer for officer in await officers.read_officers(connection, person_ids)}
    return [_judge(person_id, found.get(person_id), agency) for person_id in person_ids]


def _judge(person_id: str, officer: Officer | None, agency: str) -> PersonToWithdraw:
    if officer is None or agency not in (officer.agency, OPERATOR):
        return PersonToWithdraw(person_id, UNKNOWN, None)
    return PersonToWithdraw(person_id, "" if officer.withdrawn_at is None else WITHDRAWN, officer)


def _require_all(persons: Sequence[PersonToWithdraw]) -> None:
    refused = [person for person in persons if person.refused_because]
    if refused:
        metadata = {"person_id": shorten_visible(refused[0].person_id, _MOST_SHOWN), "number": str(len(refused))}
        raise Refusal("OFFICERS_NOT_WITHDRAWABLE", Code.FAILED_PRECONDITION, metadata)


async def _require_others_left(
    connection: Connection, person_ids: Sequence[str], now: datetime, *, is_by_operator: bool
) -> None:
    administrators = await officers.list_administrators(connection, now)
    require_administrators_left(administrators, set(person_ids), is_by_operator=is_by_operator)
