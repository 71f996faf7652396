"""The command serve-lookup: answers UserLookup."""

import gc
from functools import partial

from certificate_registry.operations.resolve_user import BatchedLookups, UserResolver, list_good_during_review
from certificate_registry.servicer.user_lookup import UserLookup
from certificate_registry.settings import LOOKUP, PACKAGE, LookupSettings
from certificate_registry.store.lookup import SESSION
from instance_profile.load import load_for_service
from servicekit import schema, server
from servicekit.database import Database
from servicekit.database_metrics import keep_refreshed
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from toroku.certificate.v1 import user_lookup_pb2, user_lookup_pb2_grpc


async def run() -> None:
    """Answers `UserLookup` until it is stopped: in processes of its own, which nothing that strangers send holds up."""
    settings = LookupSettings.read()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(LOOKUP, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    async with (
        Metrics.open(LOOKUP, settings) as metrics,
        Database.open(
            settings.database,
            pool=settings.database_pool + 1,
            password_file=settings.database_password_file,
            pooled=settings.database_pooled,
            session=SESSION,
        ) as database,
        keep_refreshed(metrics, database),
    ):
        lookups = BatchedLookups(
            database, most_queries=settings.database_pool, good_during_review=list_good_during_review(profile)
        )
        # What exists by now stays. Left to the collector, it is searched again and again, which holds up all lookups.
        gc.collect()
        gc.freeze()
        servicer = UserLookup(resolver=UserResolver(profile=profile, lookups=lookups))
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                user_lookup_pb2.DESCRIPTOR.services_by_name["UserLookup"]: partial(
                    user_lookup_pb2_grpc.add_UserLookupServicer_to_server, servicer
                ),
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    telemetry.stop()
