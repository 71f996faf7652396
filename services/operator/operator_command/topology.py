"""Which services an instance has, what each listens on, and the settings that each is started with."""

import json
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from operator_command.instance_certificates import InstanceCertificates
from refusals import Code, Refusal

HOST = "127.0.0.1"
# In the state's folder.
MEMORY = "addresses.json"
# Below the ports that Linux gives to outgoing connections, so that none of those takes one between choice and use.
PORTS = range(20000, 32000)


@dataclass(frozen=True, slots=True)
class Service:
    """One deployable: its name (also in its SPIFFE id), its package, its doors, and what it runs besides `serve`."""

    name: str
    package: str
    doors: tuple[str, ...]
    keeps_database: bool = True

    @property
    def identifier(self) -> str:
        """Its name where a hyphen can't stand: in settings, and of its database and the role that owns it."""
        return self.name.replace("-", "_")


SERVICES = (
    Service("qualification-registry", "qualification_registry", ("internal", "agency")),
    Service("certificate-registry", "certificate_registry", ("internal", "agency")),
    Service("contact-notification", "contact_notification", ("internal", "agency")),
    Service("agency-sync", "agency_sync", ("internal", "agency")),
    Service("front-door", "front_door", ("public",), keeps_database=False),
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Every `host:port` of an instance. The key is `<service> <door>`, for example `registration public`."""

    by_door: Mapping[str, str]

    def of(self, service: str, door: str) -> str:
        """The address of one door: internal, agency, public, health, or worker (the worker's own health port)."""
        return self.by_door[f"{service} {door}"]

    @property
    def inbox(self) -> tuple[str, int]:
        """Host and port of the mail inbox."""
        return host_and_port(self.by_door["inbox smtp"])

    @property
    def inbox_page(self) -> str:
        """Where a browser sees the mails, `host:port`."""
        return self.by_door["inbox page"]


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of `host:port`; raises ADDRESS_WRONG."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Refusal("ADDRESS_WRONG", Code.INVALID_ARGUMENT, {"address": address})
    return host, int(port)


def remembered_addresses(state: Path) -> Addresses:
    """The addresses of the instance in `state`; raises NO_INSTANCE where none was ever started there."""
    memory = state / MEMORY
    if not memory.exists():
        raise Refusal("NO_INSTANCE", Code.FAILED_PRECONDITION, {"path": str(state)})
    return Addresses(json.loads(memory.read_text()))


def choose_addresses(state: Path) -> Addresses:
    """Free ports of the loopback address: those of the last time where they are free, so that an instance that is
    started again is found where it was.
    """
    memory = state / MEMORY
    remembered: dict[str, str] = json.loads(memory.read_text()) if memory.exists() else {}
    wanted = [f"{service.name} {door}" for service in SERVICES for door in (*service.doors, "health")]
    wanted += [f"{service.name} worker" for service in SERVICES if service.keeps_database]
    chosen: dict[str, str] = {}
    for label in [*wanted, "inbox smtp", "inbox page"]:
        address = remembered.get(label, "")
        while address in chosen.values() or not _free(address):
            address = f"{HOST}:{random.choice(PORTS)}"  # noqa: S311 (nothing to guess)
        chosen[label] = address
    memory.write_text(json.dumps(chosen, indent=1))
    return Addresses(chosen)


def settings(
    service: Service,
    *,
    profile: Path,
    overlay: Path | None,
    addresses: Addresses,
    certificates: InstanceCertificates,
    database: str | None,
    further: Mapping[str, str],
) -> dict[str, str]:
    """The environment variables that `serve`, `worker` and `migrate` of a service read.

    The worker reads the same, but listens on no door and has a health port of its own. `further` comes last and wins.
    """
    own = certificates.services[service.name]
    smtp_host, smtp_port = addresses.inbox
    found = {
        "PROFILE": str(profile),
        "CERTIFICATE": str(own.certificate),
        "PRIVATE_KEY": str(own.private_key),
        "SERVICES_CA": str(own.authority),
        "AGENCY_CLIENTS_CA": str(certificates.agency_clients_authorities),
        "CALLERS": str(certificates.callers),
        "HEALTH_LISTEN": addresses.of(service.name, "health"),
    }
    if overlay is not None:
        found["PROFILE_OVERLAY"] = str(overlay)
    if database is not None:
        found["DATABASE"] = database
    for door in service.doors:
        found[f"{door.upper()}_LISTEN"] = addresses.of(service.name, door)
    for peer in SERVICES:
        if "internal" in peer.doors and peer.name != service.name:
            found[f"{peer.identifier.upper()}_ENDPOINT"] = addresses.of(peer.name, "internal")
    match service.name:
        case "qualification-registry":
            found["BIDDER_PROOF_KEY"] = str(certificates.bidder_proof_private)
        case "certificate-registry":
            found["BIDDER_PROOF_PUBLIC_KEYS"] = str(certificates.bidder_proof_public)
        case "contact-notification":
            found |= {"SMTP_HOST": smtp_host, "SMTP_PORT": str(smtp_port)}
        case "front-door":
            found["PUBLIC_CERTIFICATE"] = str(certificates.public.certificate)
            found["PUBLIC_PRIVATE_KEY"] = str(certificates.public.private_key)
    return {f"TOROKU_{name}": value for name, value in found.items()} | dict(further)


def worker_settings(service: Service, of_server: Mapping[str, str], addresses: Addresses) -> dict[str, str]:
    """The server's settings, without its doors, and with the worker's own health port."""
    kept = {name: value for name, value in of_server.items() if not name.endswith("_LISTEN")}
    return kept | {"TOROKU_HEALTH_LISTEN": addresses.of(service.name, "worker")}


def _free(address: str) -> bool:
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
