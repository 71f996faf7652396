"""The portal's own pages before a log-in, of any profile and at any hour: served over TLS, with nobody behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import yaml

from instance_profile.model import Profile
from portal.adapters.front_door import FrontDoor
from portal.operations.browser_sessions import BrowserSessions
from portal.operations.journeys import Journeys
from portal.pages.application import Portal
from portal.pages.entry_pages import EntryPages
from portal.pages.frames import Frames
from portal.pages.journey_pages import JourneyPages
from portal.pages.server import serving_pages
from servicekit.credentials import CertificateFiles
from servicekit.telemetry import Telemetry
from servicekit.token_buckets import Rate, TokenBuckets
from simulators.portal_place import make_portal_place

SAITAMA = Path(__file__).parents[2] / "profiles" / "saitama.yaml"


def read_saitama(**changes: Any) -> Profile:
    """Returns Saitama's profile with `changes` to some of its keys."""
    content: dict[str, Any] = yaml.safe_load(SAITAMA.read_text("utf-8"))
    return Profile.model_validate(content | changes)


def find_saitamas_own(key: str) -> Any:
    """Returns what stands under a key of Saitama's profile, to be changed."""
    return yaml.safe_load(SAITAMA.read_text("utf-8"))[key]


@asynccontextmanager
async def portal_alone(folder: Path, profile: Profile, now: datetime) -> AsyncIterator[str]:
    """Serves the pages that need neither a database nor the front door, with a clock that stands; yields the origin."""
    place = make_portal_place(folder)
    origin = f"https://localhost:{place.port}"

    def clock() -> datetime:
        return now

    database, front_door = cast("Any", None), cast("FrontDoor", None)
    frames = Frames(profile, clock)
    entry = EntryPages(profile, frames, clock)
    journeys = Journeys(database=database, key=cast("Any", None), clock=clock, ways={})
    portal = Portal(
        profile=profile,
        origin=origin,
        front_door=front_door,
        sessions=BrowserSessions(database=database),
        journeys=journeys,
        frames=frames,
        entry=entry,
        pages=JourneyPages(profile, frames, entry, journeys),
        telemetry=Telemetry.start("portal", "", 0, instance=profile.id),
        forms=TokenBuckets(Rate(100, 100)),
    )
    files = CertificateFiles(place.certificate, place.private_key, None)
    async with serving_pages(portal.application(), f"127.0.0.1:{place.port}", files, concurrent_calls=50, stop_grace=1):
        yield origin
