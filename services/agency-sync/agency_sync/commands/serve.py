"""The command serve: answers calls."""

from functools import partial

from agency_sync.domain.feed import list_feed_rules
from agency_sync.domain.offers import list_rules_by_category
from agency_sync.domain.schedule import Schedule
from agency_sync.operations.bidder_record import BidderStateRecord
from agency_sync.operations.change_propagation import ChangePlanning
from agency_sync.operations.contact_record import ContactOwnerRecord
from agency_sync.operations.feed_appending import FeedAppending
from agency_sync.operations.feed_reading import FeedReading
from agency_sync.operations.feed_watch import FeedWatch
from agency_sync.operations.history_record import HistoryHeadRecord
from agency_sync.operations.listing import PropagationListing
from agency_sync.operations.record import CardStateRecord
from agency_sync.operations.snapshot import SnapshotReading
from agency_sync.servicer.agency_sync import AgencySync
from agency_sync.servicer.feed import Feed
from agency_sync.settings import PACKAGE, SERVICE, Settings
from instance_profile.load import load_for_service
from officers.directory import StoredOfficers
from officers.servicer import offer_directory
from servicekit import schema, server
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.database_metrics import keep_refreshed
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from toroku.agencysync.v1 import agency_sync_pb2, agency_sync_pb2_grpc, feed_pb2, feed_pb2_grpc


async def run() -> None:
    """Answers calls until the process is stopped."""
    settings = Settings.read()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.of(settings) as database,
        keep_refreshed(metrics, database),
    ):
        offering, schedule = list_rules_by_category(profile), Schedule.of(profile)
        feeds = FeedAppending(database=database, rules=list_feed_rules(profile))
        feed = Feed(
            reading=FeedReading(profile=profile, database=database, watch=FeedWatch(database)),
            snapshots=SnapshotReading(profile=profile, database=database, clock=read_time),
        )
        servicer = AgencySync(
            card_state_record=CardStateRecord(
                database=database,
                clock=read_time,
                schedule=schedule,
                offering=offering,
                feeds=feeds,
            ),
            bidder_state_record=BidderStateRecord(database=database, feeds=feeds),
            contact_owner_record=ContactOwnerRecord(
                database=database, feeds=feeds, planning=ChangePlanning(schedule=schedule)
            ),
            history_head_record=HistoryHeadRecord(database=database),
            listing=PropagationListing(database=database, clock=read_time, schedule=schedule, offering=offering),
        )
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]: partial(
                    agency_sync_pb2_grpc.add_AgencySyncServicer_to_server, servicer
                ),
                feed_pb2.DESCRIPTOR.services_by_name["Feed"]: partial(feed_pb2_grpc.add_FeedServicer_to_server, feed),
                **offer_directory(database),
            },
            officers=StoredOfficers(database),
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    telemetry.stop()
