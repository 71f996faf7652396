"""The command worker: deletes what browsers left behind."""

from instance_profile.load import load_for_service
from portal.jobs import EXPIRY_QUEUE, register_tasks
from portal.operations.expiry import Expiry
from portal.settings import PACKAGE, SERVICE, WorkerSettings
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped

CONCURRENCY = {EXPIRY_QUEUE: 1}


async def run() -> None:
    """Works until the process is stopped."""
    settings = WorkerSettings.read()
    dsn = settings.direct_database("a worker")
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
    ):
        await work_until_stopped(
            register_tasks(Expiry(database=database, clock=read_time)),
            package=PACKAGE,
            settings=settings,
            database=database,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
        )
    telemetry.stop()
