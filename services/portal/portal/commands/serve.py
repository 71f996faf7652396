"""The command serve: shows pages."""

import asyncio
import logging

from instance_profile.load import load_for_service
from portal.adapters.front_door import FrontDoor
from portal.assembly import build_application
from portal.convert.journey import CONTEXT
from portal.pages.server import serving_pages
from portal.settings import PACKAGE, SERVICE, Settings
from servicekit import schema
from servicekit.call_counts import Counts
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_metrics import keep_refreshed
from servicekit.incident_record import IncidentRecord
from servicekit.incidents import IncidentLog
from servicekit.metrics import Metrics
from servicekit.sealing import SealingKey
from servicekit.server import health, wait_for_stop
from servicekit.telemetry import Telemetry
from toroku.certificate.v1.incidents_pb2_grpc import IncidentsStub

log = logging.getLogger(__name__)


async def run() -> None:
    """Shows pages until it is told to stop."""
    settings = Settings.read()
    key = SealingKey(settings.load_draft_key(), CONTEXT)
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(
        files,
        {
            "front-door": settings.front_door_endpoint,
            "certificate-registry": settings.certificate_registry_endpoint,
        },
    )
    incidents = IncidentLog(IncidentRecord(peers.stub("certificate-registry", IncidentsStub)).send)
    counts = Counts()
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.of(settings) as database,
        keep_refreshed(metrics, database),
        incidents.running(),
    ):
        metrics.registry.register(counts)
        metrics.watch_certificate("public", settings.public_files().certificate)
        application = build_application(
            profile,
            settings.origin,
            database=database,
            key=key,
            front_door=FrontDoor.of(peers),
            telemetry=telemetry,
            incidents=incidents,
            counts=counts,
            limits=settings.form_limits(),
            calls=asyncio.Semaphore(settings.public_concurrent_calls),
            clock=now,
        )
        async with (
            health(settings.health_listen, schema.ready(database, PACKAGE)) as not_serving,
            serving_pages(
                application,
                settings.public_listen,
                settings.public_files(),
                connections=settings.public_connections,
                stop_grace=settings.stop_grace,
            ),
        ):
            log.info("serving at public %s", settings.public_listen)
            await wait_for_stop()
            await not_serving()
            log.info("stopping: running requests have %s seconds to finish", settings.stop_grace)
    await peers.close()
    for line in counts.lines():
        log.info("pages: %s", line)
    telemetry.stop()
