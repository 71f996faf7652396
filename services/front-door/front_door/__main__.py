"""registration: serve. It has no worker and no database."""

from functools import partial

from front_door.adapters.registries import Registries
from front_door.servicer.input_limits import MOST_REQUEST_BYTES
from front_door.servicer.registration import EntryServicer, RegistrationServicer
from front_door.settings import RegistrationSettings
from instance_profile.load import ProfileError, load_profile
from servicekit import program, server
from servicekit.access import ListenerKind
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from toroku.frontdoor.v1 import entry_pb2, entry_pb2_grpc, registration_pb2, registration_pb2_grpc

SERVICE = "front-door"


async def serve() -> None:
    """Answers calls until it is told to stop."""
    settings = RegistrationSettings()
    profile = load_profile(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    registries = Registries.of(peers)
    public = server.Listener(
        ListenerKind.PUBLIC, settings.public_listen, settings.public_files(), most_bytes=MOST_REQUEST_BYTES
    )
    async with Metrics.open(SERVICE, settings) as metrics:
        metrics.watch_certificate("public", settings.public_files().certificate)
        await server.serve(
            [public, *server.private_listeners(settings)],
            instance=profile.id,
            services={
                entry_pb2.DESCRIPTOR.services_by_name["Entry"]: partial(
                    entry_pb2_grpc.add_EntryServicer_to_server, EntryServicer(profile, registries)
                ),
                registration_pb2.DESCRIPTOR.services_by_name["Registration"]: partial(
                    registration_pb2_grpc.add_RegistrationServicer_to_server, RegistrationServicer(profile, registries)
                ),
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=_ready,
        )
    await peers.close()
    telemetry.stop()


async def _ready() -> bool:
    # Ready as soon as it serves: a peer that is down is no reason to take every front door out of service, and what
    # needs it is refused with its own words.
    return True


if __name__ == "__main__":
    program.run(SERVICE, {"serve": serve}, mistakes=ProfileError)
