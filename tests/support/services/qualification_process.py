"""The environment of a process of qualification-registry."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from operator_command.instance_certificates import InstanceCertificates
from tests.support.scrape import free_address
from tests.support.services.example_rosters import roster_profile
from tests.support.services.qualification_registry import NAME


def process_settings(
    folder: Path, certificates: InstanceCertificates, dsn: str, *, listeners: Sequence[str]
) -> dict[str, str]:
    """Returns the environment of a process of the service; its listeners and its peer have free addresses."""
    profile = folder / "example.yaml"
    profile.write_text(yaml.safe_dump(roster_profile().model_dump(mode="json"), allow_unicode=True), "utf-8")
    own = certificates.services[NAME]
    values = {
        "PROFILE": profile,
        "DATABASE": dsn,
        "CERTIFICATE": own.certificate,
        "PRIVATE_KEY": own.private_key,
        "SERVICES_CA": own.authority,
        "AGENCY_CLIENTS_CA": certificates.agency_clients_authorities,
        "OFFICER_CLIENTS_CA": certificates.officer_clients_authorities,
        "CALLERS": certificates.callers,
        "BIDDER_PROOF_KEY": certificates.bidder_proof_private,
        "BIDDER_PROOF_PUBLIC_KEYS": certificates.bidder_proof_public,
        "HISTORY_KEY": certificates.history_private,
        "CERTIFICATE_REGISTRY_ENDPOINT": free_address(),
        "AGENCY_SYNC_ENDPOINT": free_address(),
        "CONTACT_NOTIFICATION_ENDPOINT": free_address(),
    } | {f"{listener}_LISTEN": free_address() for listener in listeners}
    return {f"TOROKU_{name}": str(value) for name, value in values.items()}
