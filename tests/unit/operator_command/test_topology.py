"""Addresses that stay, and settings that name every door, peer and key."""

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operator_command.client.call import methods_for, request_fields
from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from operator_command.topology import (
    SERVICES,
    choose_addresses,
    remembered_addresses,
    settings,
    worker_settings,
)
from refusals import Refusal


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path,
        instance="saitama",
        services=[service.name for service in SERVICES],
        agencies=["city"],
        officers={},
        now=datetime.now(UTC),
    )


def test_every_door_has_an_address_of_its_own(tmp_path: Path) -> None:
    addresses = choose_addresses(tmp_path).by_door
    assert len(set(addresses.values())) == len(addresses)
    assert all(address.startswith("127.0.0.1:") for address in addresses.values())
    assert {"front-door public", "certificate-registry agency", "agency-sync worker", "inbox smtp"} <= set(addresses)
    assert "front-door worker" not in addresses


def test_second_start_is_found_where_the_first_was(tmp_path: Path) -> None:
    assert choose_addresses(tmp_path) == choose_addresses(tmp_path) == remembered_addresses(tmp_path)


def test_address_that_somebody_took_is_replaced(tmp_path: Path) -> None:
    before = choose_addresses(tmp_path).of("front-door", "public")
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(before.partition(":")[2])))
        other.listen()
        assert choose_addresses(tmp_path).of("front-door", "public") != before


def test_folder_without_an_instance_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="NO_INSTANCE"):
        remembered_addresses(tmp_path)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_settings_name_doors_peers_and_files(
    tmp_path: Path, certificates: InstanceCertificates, service: object
) -> None:
    assert service in SERVICES
    service = next(one for one in SERVICES if one is service)
    addresses = choose_addresses(tmp_path)
    found = settings(
        service,
        profile=tmp_path / "profile.yaml",
        overlay=None,
        addresses=addresses,
        certificates=certificates,
        database="postgresql://x" if service.keeps_database else None,
        further={"TOROKU_TRACE_SAMPLING": "1"},
    )
    for door in service.doors:
        assert found[f"TOROKU_{door.upper()}_LISTEN"] == addresses.of(service.name, door)
    assert f"TOROKU_{service.identifier.upper()}_ENDPOINT" not in found
    peers = [peer for peer in SERVICES if peer is not service and "internal" in peer.doors]
    for peer in peers:
        assert found[f"TOROKU_{peer.identifier.upper()}_ENDPOINT"] == addresses.of(peer.name, "internal")
    for name in ("CERTIFICATE", "PRIVATE_KEY", "SERVICES_CA", "AGENCY_CLIENTS_CA", "CALLERS"):
        assert Path(found[f"TOROKU_{name}"]).is_file()
    assert found["TOROKU_TRACE_SAMPLING"] == "1"
    assert ("TOROKU_DATABASE" in found) == service.keeps_database


def test_worker_opens_no_door(tmp_path: Path, certificates: InstanceCertificates) -> None:
    registry = next(service for service in SERVICES if service.name == "certificate-registry")
    addresses = choose_addresses(tmp_path)
    of_server = settings(
        registry,
        profile=tmp_path,
        overlay=tmp_path,
        addresses=addresses,
        certificates=certificates,
        database="postgresql://x",
        further={},
    )
    of_worker = worker_settings(registry, of_server, addresses)
    assert [name for name in of_worker if name.endswith("_LISTEN")] == ["TOROKU_HEALTH_LISTEN"]
    assert of_worker["TOROKU_HEALTH_LISTEN"] != of_server["TOROKU_HEALTH_LISTEN"]
    assert of_worker["TOROKU_DATABASE"] == "postgresql://x"


def test_only_the_signer_holds_the_proofs_private_key(tmp_path: Path, certificates: InstanceCertificates) -> None:
    addresses = choose_addresses(tmp_path)
    holders = [
        service.name
        for service in SERVICES
        if str(certificates.bidder_proof_private)
        in settings(
            service,
            profile=tmp_path,
            overlay=None,
            addresses=addresses,
            certificates=certificates,
            database=None,
            further={},
        ).values()
    ]
    assert holders == ["qualification-registry"]


def test_an_agency_is_told_what_it_may_call() -> None:
    found = {method.name: request_fields(method) for method in methods_for("certificate-registry", "agencies")}
    assert found == {"ResolveUser": "agency, category, certificate_sha256, possession_verified"}


def test_unknown_service_is_refused_with_the_names() -> None:
    with pytest.raises(Refusal) as refused:
        methods_for("certificates", "agencies")
    assert refused.value.reason == "UNKNOWN_SERVICE"
    assert "certificate-registry" in refused.value.metadata["services"]
