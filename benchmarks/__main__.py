"""`make bench` runs all benchmarks; `python -m benchmarks resolve-user card …` the named ones.

Each is compared with its last run in this checkout. Ends with 1 where one does what it may not do.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks import (
    at_rest,
    card,
    everywhere,
    feed,
    flood,
    history,
    local_page,
    night,
    operation_cost,
    operations,
    portal_pages,
    propagation,
    qualifications,
    resolve_user,
    roster_import,
    single_select,
)
from benchmarks.results import Measured, keep

BENCHMARKS: dict[str, Callable[[], Awaitable[Measured]]] = {
    "select": single_select.measure,
    "resolve-user": resolve_user.measure,
    "flood": flood.measure,
    **{
        operation.name: partial(operation_cost.measure, operation)
        for operation in (operations.REGISTRATIONS, operations.CHANGES, operations.RENEWALS)
    },
    "propagation": propagation.measure,
    "night": night.measure,
    "everywhere": everywhere.measure,
    "feed": feed.measure,
    "roster-import": roster_import.measure,
    "qualifications": qualifications.measure,
    "card": card.measure,
    "local-page": local_page.measure,
    "portal": portal_pages.measure,
    "history": history.measure,
    "at-rest": at_rest.measure,
}


async def main(names: list[str]) -> None:
    """Runs the named benchmarks one after the other."""
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(BENCHMARKS)}")
    faults = []
    for name in names or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        measured = await BENCHMARKS[name]()
        print("\n".join(keep(name, measured.figures)), flush=True)
        faults += [f"{name}: {fault}" for fault in measured.faults]
    if faults:
        sys.exit("\n".join(["", *faults]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
