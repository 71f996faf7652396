"""`make bench` runs all benchmarks; `python -m benchmarks resolve-user card …` the named ones."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from benchmarks import at_rest, card, flood, propagation, registration, resolve_user, roster_import

BENCHMARKS: dict[str, Callable[[], Awaitable[None]]] = {
    "resolve-user": resolve_user.measure,
    "flood": flood.measure,
    "registration": registration.measure,
    "propagation": propagation.measure,
    "roster-import": roster_import.measure,
    "card": card.measure,
    "at-rest": at_rest.measure,
}


async def main(names: list[str]) -> None:
    """Runs the named benchmarks one after the other."""
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        await BENCHMARKS[name]()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
