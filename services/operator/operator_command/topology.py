"""The services of an instance: their listeners and addresses, and the settings that each is started with."""

import json
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from operator_command.instance_certificates import InstanceCertificates
from refusals import Code, Refusal

HOST = "127.0.0.1"
# In the state folder: the addresses of the last start.
ADDRESSES_FILE = "addresses.json"
PROFILE_FILE = "profile.json"
# Below Linux's ephemeral ports, so that no outgoing connection takes a port between choice and use.
LOOPBACK_PORTS = range(20000, 32000)
# The same in compose.yaml and in the chart.
CONTAINER_PORTS = {"internal": 8443, "agency": 8444, "public": 8445}


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its name (also in its SPIFFE id), package, listeners, the services that it calls, and its database.

    A service that keeps a database also runs a worker and is migrated before it starts. One that reads another's
    database has a role of its own there, which may change nothing.
    """

    name: str
    package: str
    listeners: tuple[str, ...]
    calls: tuple[str, ...] = ()
    keeps_database: bool = True
    reads_database_of: str = ""
    # The argument of its package that starts a server.
    command: str = "serve"
    # Whether its worker seals a history.
    has_history: bool = False
    # Whether its worker signs snapshots of the agencies' feeds.
    signs_snapshots: bool = False
    # Which of its processes has the key of mailed secrets: the server that seals, or the worker that opens them.
    mailed_secrets: Literal["", "sealed", "opened"] = ""

    @property
    def identifier(self) -> str:
        """The name with underscores: in settings, and as the name of its database and of its role."""
        return self.name.replace("-", "_")

    @property
    def admits_officers(self) -> bool:
        """Whether officers call it: who they are stands in its database then."""
        return self.keeps_database and "agency" in self.listeners


SERVICES = (
    Service(
        "qualification-registry",
        "qualification_registry",
        ("internal", "agency"),
        ("certificate-registry", "agency-sync", "contact-notification"),
        has_history=True,
    ),
    Service(
        "certificate-registry",
        "certificate_registry",
        ("internal", "agency"),
        ("contact-notification", "agency-sync", "qualification-registry"),
        has_history=True,
        mailed_secrets="sealed",
    ),
    Service(
        "user-lookup",
        "certificate_registry",
        ("internal", "agency"),
        keeps_database=False,
        reads_database_of="certificate-registry",
        command="serve-lookup",
    ),
    Service(
        "contact-notification",
        "contact_notification",
        ("internal", "agency"),
        ("certificate-registry", "agency-sync"),
        has_history=True,
        mailed_secrets="opened",
    ),
    Service(
        "agency-sync",
        "agency_sync",
        ("internal", "agency"),
        ("certificate-registry", "contact-notification"),
        signs_snapshots=True,
    ),
    Service(
        "front-door",
        "front_door",
        ("internal", "public"),
        ("qualification-registry", "certificate-registry", "contact-notification", "agency-sync"),
        keeps_database=False,
    ),
    Service("portal", "portal", ("public",), ("front-door", "certificate-registry")),
)
DATABASE_SERVICES = tuple(service for service in SERVICES if service.keeps_database)
READING_SERVICES = tuple(service for service in SERVICES if service.reads_database_of)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Every `host:port` of an instance. The key is `<service> <listener>`, for example `front-door public`."""

    by_listener: Mapping[str, str]

    def of(self, service: str, listener: str) -> str:
        """Returns an address; `listener` is internal, agency, public, health, or worker (the worker's health port).

        Raises LISTENER_UNKNOWN.
        """
        address = self.by_listener.get(f"{service} {listener}")
        if address is None:
            raise Refusal("LISTENER_UNKNOWN", Code.INVALID_ARGUMENT, {"service": service, "listener": listener})
        return address

    @property
    def inbox(self) -> tuple[str, int]:
        """Host and port of the mail inbox."""
        return split_address(self.by_listener["inbox smtp"])

    @property
    def inbox_page(self) -> str:
        """The address of the inbox's web page, `host:port`."""
        return self.by_listener["inbox page"]


def find_service(name: str) -> Service:
    """Returns the service of this name; raises LookupError."""
    for service in SERVICES:
        if service.name == name:
            return service
    raise LookupError(f"there is no service {name}")


def split_address(address: str) -> tuple[str, int]:
    """Returns the two parts of `host:port`; raises ADDRESS_WRONG."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Refusal("ADDRESS_WRONG", Code.INVALID_ARGUMENT, {"address": address})
    return host, int(port)


def read_addresses(state: Path) -> Addresses:
    """Returns the addresses of the instance in `state`; raises NO_INSTANCE where none has been started."""
    file = state / ADDRESSES_FILE
    if not file.exists():
        raise Refusal("NO_INSTANCE", Code.FAILED_PRECONDITION, {"path": str(state)})
    return Addresses(json.loads(file.read_text()))


def write_profile_files(state: Path, profile: Path, overlay: Path | None) -> None:
    """Records of which profile and overlay the instance in `state` is, so that commands use its words."""
    files = {"profile": str(profile), "overlay": str(overlay) if overlay is not None else None}
    (state / PROFILE_FILE).write_text(json.dumps(files, indent=1, ensure_ascii=False), "utf-8")


def read_profile_files(state: Path) -> tuple[Path, Path | None] | None:
    """Returns profile and overlay of the instance in `state`; None where none has been started."""
    file = state / PROFILE_FILE
    if not file.exists():
        return None
    files = json.loads(file.read_text("utf-8"))
    return Path(files["profile"]), Path(files["overlay"]) if files["overlay"] is not None else None


def choose_addresses(state: Path) -> Addresses:
    """Chooses free loopback ports and stores them in `state`; those of the last start are reused where still free."""
    file = state / ADDRESSES_FILE
    previous: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    labels = [f"{service.name} {listener}" for service in SERVICES for listener in (*service.listeners, "health")]
    labels += [f"{service.name} worker" for service in DATABASE_SERVICES]
    addresses: dict[str, str] = {}
    for label in [*labels, "inbox smtp", "inbox page"]:
        address = previous.get(label, "")
        while address in addresses.values() or not _is_free(address):
            address = f"{HOST}:{random.choice(LOOPBACK_PORTS)}"  # noqa: S311 (a port is no secret)
        addresses[label] = address
    file.write_text(json.dumps(addresses, indent=1))
    return Addresses(addresses)


def list_container_addresses() -> Addresses:
    """Returns the address of every listener in a network of containers: the service's name and a fixed port."""
    return Addresses(
        {
            f"{service.name} {listener}": f"{service.name}:{CONTAINER_PORTS[listener]}"
            for service in SERVICES
            for listener in service.listeners
        }
    )


def build_settings(
    service: Service,
    *,
    profile: Path,
    overlay: Path | None,
    addresses: Addresses,
    certificates: InstanceCertificates,
    database: str | None,
    further: Mapping[str, str],
) -> dict[str, str]:
    """Returns the environment variables that the server and `migrate` of a service read; `further` overrides them."""
    identity = certificates.services[service.name]
    smtp_host, smtp_port = addresses.inbox
    values = {
        "PROFILE": str(profile),
        "CERTIFICATE": str(identity.certificate),
        "PRIVATE_KEY": str(identity.private_key),
        "SERVICES_CA": str(identity.authority),
        "AGENCY_CLIENTS_CA": str(certificates.agency_clients_authorities),
        "CALLERS": str(certificates.callers),
        "HEALTH_LISTEN": addresses.of(service.name, "health"),
    }
    if overlay is not None:
        values["PROFILE_OVERLAY"] = str(overlay)
    if database is not None:
        values["DATABASE"] = database
    for listener in service.listeners:
        values[f"{listener.upper()}_LISTEN"] = addresses.of(service.name, listener)
    for peer in map(find_service, service.calls):
        values[f"{peer.identifier.upper()}_ENDPOINT"] = addresses.of(peer.name, "internal")
    if service.admits_officers:
        values["OFFICER_CLIENTS_CA"] = str(certificates.officer_clients_authorities)
        values["OFFICER_PROOF_PUBLIC_KEYS"] = str(certificates.officer_proof_public)
    match service.name:
        case "qualification-registry":
            values["BIDDER_PROOF_KEY"] = str(certificates.bidder_proof_private)
            values["BIDDER_PROOF_PUBLIC_KEYS"] = str(certificates.bidder_proof_public)
        case "certificate-registry":
            values["BIDDER_PROOF_PUBLIC_KEYS"] = str(certificates.bidder_proof_public)
            values["OFFICER_PROOF_KEY"] = str(certificates.officer_proof_private)
            values["ACT_PROOF_KEY"] = str(certificates.act_proof_private)
        case "contact-notification":
            values |= {"SMTP_HOST": smtp_host, "SMTP_PORT": str(smtp_port)}
            values["ACT_PROOF_PUBLIC_KEYS"] = str(certificates.act_proof_public)
        case "front-door":
            values["PUBLIC_CERTIFICATE"] = str(certificates.public.certificate)
            values["PUBLIC_PRIVATE_KEY"] = str(certificates.public.private_key)
        case "portal":
            values["PUBLIC_CERTIFICATE"] = str(certificates.portal.certificate)
            values["PUBLIC_PRIVATE_KEY"] = str(certificates.portal.private_key)
            values["DRAFT_KEY"] = str(certificates.draft_key)
            values["ORIGIN"] = compose_origin(addresses)
    if service.mailed_secrets == "sealed":
        values["MAILED_SECRET_KEY"] = str(certificates.mailed_secret_key)
    return {f"TOROKU_{name}": value for name, value in values.items()} | dict(further)


def build_worker_settings(
    service: Service, server_settings: Mapping[str, str], addresses: Addresses, certificates: InstanceCertificates
) -> dict[str, str]:
    """Returns the server's settings without its listeners and key, with the worker's own health port and keys."""
    servers_own = (
        "_LISTEN",
        "_MAILED_SECRET_KEY",
        "_OFFICER_PROOF_KEY",
        "_OFFICER_PROOF_PUBLIC_KEYS",
        "_ACT_PROOF_KEY",
        "_ACT_PROOF_PUBLIC_KEYS",
        "_DRAFT_KEY",
    )
    settings = {name: value for name, value in server_settings.items() if not name.endswith(servers_own)}
    settings["TOROKU_HEALTH_LISTEN"] = addresses.of(service.name, "worker")
    if service.has_history:
        settings["TOROKU_HISTORY_KEY"] = str(certificates.history_private)
    if service.signs_snapshots:
        settings["TOROKU_FEED_KEY"] = str(certificates.feed_private)
    if service.mailed_secrets == "opened":
        settings["TOROKU_MAILED_SECRET_KEY"] = str(certificates.mailed_secret_key)
    return settings


def compose_origin(addresses: Addresses) -> str:
    """Returns the origin of the portal's pages on this machine."""
    _, port = split_address(addresses.of("portal", "public"))
    return f"https://localhost:{port}"


def _is_free(address: str) -> bool:
    host, _, port = address.partition(":")
    if not port:
        return False
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, int(port)))
        except OSError:
            return False
    return True
