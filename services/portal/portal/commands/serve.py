"""The command serve: shows pages."""

import logging

from instance_profile.load import load_for_service
from instance_profile.model import Operation as ProfileOperation
from instance_profile.model import Propagation
from portal.adapters.front_door import FrontDoor
from portal.convert.journey import CONTEXT
from portal.domain.journey import Operation
from portal.operations.advice import AdviceWay
from portal.operations.browser_sessions import BrowserSessions
from portal.operations.card_sessions import CardSessions
from portal.operations.change import ChangeWay
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
from portal.pages.server import serving_pages
from portal.pages.visits import Visits
from portal.settings import PACKAGE, SERVICE, Settings
from servicekit import schema
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_metrics import keep_refreshed
from servicekit.metrics import Metrics
from servicekit.sealing import SealingKey
from servicekit.server import health, wait_for_stop
from servicekit.telemetry import Telemetry
from servicekit.token_buckets import Rate, TokenBuckets

log = logging.getLogger(__name__)


async def run() -> None:
    """Shows pages until it is told to stop."""
    settings = Settings.read()
    key = SealingKey(settings.load_draft_key(), CONTEXT)
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, {"front-door": settings.front_door_endpoint})
    front_door = FrontDoor.of(peers)
    chosen, follows = profile.list_propagation_choices(), profile.propagation is not Propagation.NONE
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.of(settings) as database,
        keep_refreshed(metrics, database),
    ):
        metrics.watch_certificate("public", settings.public_files().certificate)
        journeys = Journeys(
            database=database,
            key=key,
            clock=now,
            ways={
                Operation.REGISTRATION: RegistrationWay(front_door),
                Operation.CHANGE: ChangeWay(front_door, ProfileOperation.CHANGE in chosen, follows),
                Operation.RENEWAL: RenewalWay(front_door, ProfileOperation.RENEWAL in chosen, follows),
                Operation.ADVICE: AdviceWay(front_door),
            },
        )
        sessions = BrowserSessions(database=database)
        frames = Frames(profile, now)
        answers = Answers(profile, frames)
        entry = EntryPages(profile, frames, now)
        entry_routes = EntryRoutes(answers, entry)
        forms = TokenBuckets(Rate(settings.session_burst, settings.session_rate))
        visits = Visits(settings.origin, sessions, journeys, forms)
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
        )
        async with (
            health(settings.health_listen, schema.ready(database, PACKAGE)) as not_serving,
            serving_pages(
                portal.application(),
                settings.public_listen,
                settings.public_files(),
                concurrent_calls=settings.public_concurrent_calls,
                stop_grace=settings.stop_grace,
            ),
        ):
            log.info("serving at public %s", settings.public_listen)
            await wait_for_stop()
            await not_serving()
            log.info("stopping: running requests have %s seconds to finish", settings.stop_grace)
    await peers.close()
    telemetry.stop()
