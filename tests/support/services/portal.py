"""The portal in this process on a database of its own, before the real front door, whose peers are small fakes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import ASGIApp

from instance_profile.model import Profile
from portal.adapters.front_door import FrontDoor
from portal.assembly import build_application
from portal.convert.journey import CONTEXT
from portal.pages.visits import FormLimits
from servicekit.call_counts import Counts
from servicekit.database import Database
from servicekit.incidents import Incident, IncidentLog
from servicekit.sealing import SealingKey
from servicekit.sources import Sources
from servicekit.telemetry import Telemetry
from servicekit.token_buckets import Rate, TokenBuckets
from tests.support.browser_in_memory import ORIGIN, BrowserInMemory
from tests.support.person_in_memory import PersonInMemory
from tests.support.services.front_door import RunningFrontDoor, running_front_door

# More than any test sends.
_FORMS = Rate(1000, 1000)


@dataclass(slots=True)
class RunningPortal:
    """Two replicas of the portal on one database, as a test uses them."""

    front_door: RunningFrontDoor
    database: Database
    replicas: list[ASGIApp]
    spans: InMemorySpanExporter
    # What was noted for the help desk.
    incidents: list[Incident]
    counts: Counts

    def open_browser(self) -> BrowserInMemory:
        """Returns the browser of a new person; both replicas answer it, by turns."""
        return BrowserInMemory(self.replicas)

    async def come(self) -> PersonInMemory:
        """Returns a new person, whose agent has opened the portal."""
        person = PersonInMemory(self.open_browser(), self.front_door.profile.id)
        await person.start_agent()
        return person


@asynccontextmanager
async def running_portal(
    profile: Profile,
    folder: Path,
    dsn: str,
    *,
    forms: Rate = _FORMS,
    newcomers: Rate = _FORMS,
    sources: Sources | None = None,
    most_calls: int = 1000,
) -> AsyncIterator[RunningPortal]:
    """Runs the portal until the block ends; it has the clock of its front door."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    key = SealingKey(Ed25519PrivateKey.generate(), CONTEXT)
    noted: list[Incident] = []
    counts = Counts()

    async def send(incidents: Sequence[Incident]) -> None:
        noted.extend(incidents)

    log = IncidentLog(send)
    async with (
        running_front_door(profile, folder) as front_door,
        Database.open(dsn, pool=8) as database,
        log.running(),
    ):
        replicas: list[ASGIApp] = [
            build_application(
                profile,
                ORIGIN,
                database=database,
                key=key,
                front_door=FrontDoor.of(front_door.for_portal),
                telemetry=Telemetry(provider, 1),
                incidents=log,
                counts=counts,
                calls=asyncio.Semaphore(most_calls),
                limits=FormLimits(by_session=TokenBuckets(forms), newcomers=TokenBuckets(newcomers), sources=sources),
                clock=front_door.clock,
            )
            for _ in range(2)
        ]
        yield RunningPortal(front_door, database, replicas, exporter, noted, counts)
