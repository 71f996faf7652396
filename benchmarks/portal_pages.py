"""The portal's pages: their own time under load, the entry for a thousand visitors, and a thousand people who search.

The pages are held against a fixed answer of the same length from the same server over the same TLS, in turn in one run.
The people are a thousand browser sessions, each with a card that has logged in, which search once within a minute: with
the real front door, registries and database, on a connection of its own each.
"""

import asyncio
import secrets
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.browser_over_tls import BrowserOverTls
from benchmarks.h2load import Load, load_page
from benchmarks.registration_instance import RegistrationInstance, registration_instance
from benchmarks.results import ROOT, Measured, write_aim
from operator_command.topology import split_address
from tests.support.contractor import Contractor
from tests.support.person_in_memory import PersonInMemory, write_search
from tests.support.scrape import free_address

PEOPLE, SECONDS = 1_000, 60.0
AT_A_TIME = 8
# Of one measurement of a page, and the visitors of the entry.
GETS, VISITORS = 600, 1_000
ROUNDS = 3
MOST_SEARCH_SECONDS, MOST_VISITORS_SECONDS = 2.0, 5.0


async def measure() -> Measured:
    """Prints the p99 of each page with its ratio to a bare one, the visitors' seconds, and the searches' p99."""
    figures: dict[str, float] = {}
    with TemporaryDirectory(prefix="toroku-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with registration_instance(folder, agencies=2, bidders=PEOPLE + 1, trace_sampling=0) as instance:
            people = await _log_in_all(instance)
            figures |= await _measure_pages(instance, people[0][0])
            figures |= await _measure_searches(people)
    lines = [
        write_aim("1,000 GETs of the entry", figures["1,000 entries s"], MOST_VISITORS_SECONDS, unit=" s"),
        write_aim("p99 of a search, 1,000 sessions", figures["search p99 s"], MOST_SEARCH_SECONDS, unit=" s"),
    ]
    print("\n".join(lines), flush=True)
    failed = int(figures["failed searches"])
    return Measured(figures, [f"{failed} of {PEOPLE:,} searches failed"] if failed else [])


async def _log_in_all(instance: RegistrationInstance) -> list[tuple[PersonInMemory, Contractor]]:
    """Returns the people, each at the search."""
    _, port = split_address(instance.launched.addresses.of("portal", "public"))
    trusted = ssl.create_default_context(cafile=str(instance.launched.certificates.public.authority))
    gate = asyncio.Semaphore(AT_A_TIME)

    async def log_in() -> tuple[PersonInMemory, Contractor]:
        async with gate:
            contractor = instance.contractor()
            browser = BrowserOverTls([], port=port, trusted=trusted)
            person = PersonInMemory(browser, instance.launched.profile.id)
            await person.start_agent()
            page = await person.log_in("registration", contractor)
            browser.close()
            if not page.address.endswith("/search"):
                raise RuntimeError(f"no log-in: {page.read()}")
            return person, contractor

    began = time.perf_counter()
    people = await asyncio.gather(*(log_in() for _ in range(PEOPLE)))
    print(f"{PEOPLE:,} people logged in, {PEOPLE / (time.perf_counter() - began):.0f} a second", flush=True)
    return people


async def _measure_pages(instance: RegistrationInstance, person: PersonInMemory) -> dict[str, float]:
    origin = f"https://{instance.launched.addresses.of('portal', 'public')}"
    agency = instance.launched.profile.agencies[0].code
    cookie = "; ".join(f"{name}={value}" for name, value in person.browser.cookies.items())
    pages = {"entry": "/", "menu": f"/agencies/{agency}/works/menu", "form of a journey": person.page.address}
    figures: dict[str, float] = {}
    for name, address in pages.items():
        length = len((await person.browser.get(address)).body.encode())
        async with _bare_page(instance, length) as bare:
            ours, others = await _load_in_turn(f"{origin}{address}", bare, {"cookie": cookie})
        ratio = statistics.median(load.p99 for load in ours) / statistics.median(load.p99 for load in others)
        p99, bare_p99 = (statistics.median(load.p99 for load in loads) for loads in (ours, others))
        rate = statistics.median(load.calls_per_second for load in ours)
        print(
            f"{name:<18} {length:>6,} bytes, {rate:5.0f}/s, p99 {p99:5.1f} ms; "
            f"bare p99 {bare_p99:5.1f} ms ({ratio:.2f})",
            flush=True,
        )
        figures |= {f"{name}: p99 ms": p99, f"{name}: ratio of p99": ratio, f"{name}: pages/s": rate}
    _close(person)
    # Each on a connection of its own, all at once.
    visitors = await load_page(f"{origin}/", clients=VISITORS, calls=VISITORS)
    return figures | {"1,000 entries s": VISITORS / visitors.calls_per_second}


async def _load_in_turn(ours: str, bare: str, headers: Mapping[str, str]) -> tuple[list[Load], list[Load]]:
    of_ours: list[Load] = []
    of_bare: list[Load] = []
    for _ in range(ROUNDS):
        of_ours.append(await load_page(ours, clients=AT_A_TIME, calls=GETS, headers=headers))
        of_bare.append(await load_page(bare, clients=AT_A_TIME, calls=GETS))
    return of_ours, of_bare


@asynccontextmanager
async def _bare_page(instance: RegistrationInstance, length: int) -> AsyncIterator[str]:
    address, files = free_address(), instance.launched.certificates.portal
    port = address.rpartition(":")[2]
    arguments = (str(files.certificate), str(files.private_key), str(length), port)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bare_starlette"), *arguments, cwd=ROOT
    )
    try:
        async with asyncio.timeout(30):
            while not await _listens(int(port)):
                await asyncio.sleep(0.05)
        yield f"https://{address}/"
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _measure_searches(people: list[tuple[PersonInMemory, Contractor]]) -> dict[str, float]:
    """Has everybody search once, at a random moment of a minute; an answer is there when its page is."""

    async def search(person: PersonInMemory, contractor: Contractor) -> float | None:
        await asyncio.sleep(secrets.SystemRandom().uniform(0, SECONDS))
        began = time.perf_counter()
        try:
            page = await person.send(write_search(contractor))
        except (OSError, asyncio.IncompleteReadError):
            return None
        # The connection stays, as a browser leaves it.
        return time.perf_counter() - began if page.address.endswith("/form") else None

    taken = await asyncio.gather(*(search(person, contractor) for person, contractor in people))
    for person, _ in people:
        _close(person)
    times = sorted(seconds for seconds in taken if seconds is not None)
    if not times:
        raise RuntimeError("every search failed")
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    print(f"{len(times):,} searches in {SECONDS:.0f} s: p50 {p50:.2f} s, p99 {p99:.2f} s", flush=True)
    return {"search p50 s": p50, "search p99 s": p99, "failed searches": len(taken) - len(times)}


def _close(person: PersonInMemory) -> None:
    if isinstance(person.browser, BrowserOverTls):
        person.browser.close()
