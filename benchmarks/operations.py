"""The operations that are measured as a whole: how one is prepared and done, its floor, and where it is measured."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks.registration_instance import RegistrationInstance
from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import Contractor, contact_of
from tests.support.renewing_contractor import RenewingContractor

# Registrations at a time that prepare an operation.
_AT_A_TIME = 8

Doing = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of a contractor. `prepare` returns how each of some contractors does it, with these traceparents.

    What comes before the operation is over then, and is not measured.
    """

    # Of its benchmark and of its floor.
    name: str
    agencies: Sequence[int]
    prepare: Callable[[RegistrationInstance, Sequence[str]], Awaitable[Sequence[Doing]]]
    # Milliseconds of CPU and seconds for half of them, at most; None where only the floor is compared.
    most_cpu: float | None = None
    most_p50: float | None = None


async def _prepare_registrations(instance: RegistrationInstance, traceparents: Sequence[str]) -> Sequence[Doing]:
    # A card's key takes as long to make as a third of a registration, and none of it is the platform's.
    contractors = [instance.contractor() for _ in traceparents]
    for contractor, traceparent in zip(contractors, traceparents, strict=True):
        contractor.traceparent = traceparent
    return [contractor.whole for contractor in contractors]


async def _prepare_changes(instance: RegistrationInstance, traceparents: Sequence[str]) -> Sequence[Doing]:
    contractors = await _register(instance, len(traceparents))
    changing = [ChangingContractor.of(contractor) for contractor in contractors]
    for contractor, traceparent in zip(changing, traceparents, strict=True):
        contractor.traceparent = traceparent
    return [_change_person(contractor) for contractor in changing]


async def _prepare_renewals(instance: RegistrationInstance, traceparents: Sequence[str]) -> Sequence[Doing]:
    contractors = await _register(instance, len(traceparents))
    renewing = [
        RenewingContractor.of(contractor, instance.ca.issue(company=contractor.company_name))
        for contractor in contractors
    ]
    for contractor, traceparent in zip(renewing, traceparents, strict=True):
        contractor.traceparent = traceparent
    return [contractor.whole for contractor in renewing]


async def _register(instance: RegistrationInstance, count: int) -> Sequence[Contractor]:
    """Returns so many contractors whose cards are registered at all agencies, with nothing left to do for them."""
    contractors = [instance.contractor() for _ in range(count)]
    waiting = iter(contractors)

    async def register_one_by_one() -> None:
        for contractor in waiting:
            await contractor.whole()

    await asyncio.gather(*(register_one_by_one() for _ in range(_AT_A_TIME)))
    await instance.wait_until_idle()
    return contractors


def _change_person(contractor: ChangingContractor) -> Doing:
    """Returns how the person of the card contact changes, with the telephone; their mailbox is the department's."""

    async def change() -> object:
        return await contractor.whole(card_contact=contact_of("土木 二郎", telephone="048-000-0002"))

    return change


REGISTRATIONS = Operation(
    name="registration",
    agencies=(3, 13, 60),
    prepare=_prepare_registrations,
    most_cpu=130,
    most_p50=0.9,
)
CHANGES = Operation(name="change", agencies=(13,), prepare=_prepare_changes)
RENEWALS = Operation(name="renewal", agencies=(13,), prepare=_prepare_renewals)
