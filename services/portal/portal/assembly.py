"""Puts the portal together: the application of one instance, from what it stands on."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette

from instance_profile.model import Operation as ProfileOperation
from instance_profile.model import Profile, Propagation
from portal.adapters.front_door import FrontDoor
from portal.domain.journey import Operation
from portal.operations.advice import AdviceWay
from portal.operations.browser_sessions import BrowserSessions
from portal.operations.card_sessions import CardSessions
from portal.operations.change import ChangeWay
from portal.operations.incidents import Incidents
from portal.operations.journeys import Journeys
from portal.operations.registration import RegistrationWay
from portal.operations.renewal import RenewalWay
from portal.pages.agent_routes import AgentRoutes
from portal.pages.answers import Answers
from portal.pages.application import Portal
from portal.pages.entry_pages import EntryPages
from portal.pages.entry_routes import EntryRoutes
from portal.pages.frames import Frames
from portal.pages.journey_pages import JourneyPages
from portal.pages.journey_routes import JourneyRoutes
from portal.pages.visits import FormLimits, Visits
from servicekit.call_counts import Counts
from servicekit.database import Database
from servicekit.incidents import IncidentLog
from servicekit.sealing import SealingKey
from servicekit.telemetry import Telemetry


def build_application(
    profile: Profile,
    origin: str,
    *,
    database: Database,
    key: SealingKey,
    front_door: FrontDoor,
    telemetry: Telemetry,
    incidents: IncidentLog,
    counts: Counts,
    limits: FormLimits,
    calls: asyncio.Semaphore,
    clock: Callable[[], datetime],
) -> Starlette:
    """Returns the pages of an instance; `key` is that of the drafts, `incidents` the way to the help desk's record.

    `limits` are those of forms; `calls` has a place for each page that is made at a time.
    """
    notes = Incidents(incidents, clock)
    chosen, follows = profile.list_propagation_choices(), profile.propagation is not Propagation.NONE
    journeys = Journeys(
        database=database,
        key=key,
        clock=clock,
        ways={
            Operation.REGISTRATION: RegistrationWay(front_door),
            Operation.CHANGE: ChangeWay(front_door, ProfileOperation.CHANGE in chosen, follows),
            Operation.RENEWAL: RenewalWay(front_door, ProfileOperation.RENEWAL in chosen, follows),
            Operation.ADVICE: AdviceWay(front_door),
        },
        incidents=notes,
    )
    sessions = BrowserSessions(database=database)
    frames = Frames(profile, clock)
    answers = Answers(profile, frames)
    entry = EntryPages(profile, frames, clock)
    visits = Visits(origin, sessions, journeys, limits)
    entry_routes = EntryRoutes(answers, entry, visits)
    portal = Portal(
        answers=answers,
        entry=entry_routes,
        agent=AgentRoutes(answers, visits, sessions, journeys),
        journey=JourneyRoutes(
            answers=answers,
            visits=visits,
            sessions=sessions,
            journeys=journeys,
            card_sessions=CardSessions(front_door),
            entry=entry_routes,
            pages=JourneyPages(profile, frames, entry, journeys),
        ),
        telemetry=telemetry,
        incidents=notes,
        counts=counts,
        calls=calls,
    )
    return portal.application()
