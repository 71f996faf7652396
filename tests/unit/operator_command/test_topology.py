"""Addresses that survive a restart, and settings that name every listener, peer and key."""

import socket
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from operator_command.client.call import INTERFACES, find_methods, list_methods, list_request_fields
from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from operator_command.topology import (
    SERVICES,
    Service,
    build_settings,
    build_worker_settings,
    choose_addresses,
    find_service,
    read_addresses,
)
from refusals import Refusal
from toroku.access.v1 import access_pb2


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path,
        instance="saitama",
        services=[service.name for service in SERVICES],
        agencies=["city"],
        officers=[],
        now=datetime.now(UTC),
    )


def test_every_listener_has_an_address_of_its_own(tmp_path: Path) -> None:
    addresses = choose_addresses(tmp_path).by_listener
    assert len(set(addresses.values())) == len(addresses)
    assert all(address.startswith("127.0.0.1:") for address in addresses.values())
    assert {"front-door public", "user-lookup agency", "agency-sync worker", "inbox smtp"} <= set(addresses)
    assert not {"front-door worker", "user-lookup worker", "front-door agency"} & set(addresses)


def test_unknown_listener_is_refused_with_its_service(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="LISTENER_UNKNOWN") as refused:
        choose_addresses(tmp_path).of("front-door", "agency")
    assert refused.value.metadata == {"service": "front-door", "listener": "agency"}


def test_second_start_reuses_the_addresses(tmp_path: Path) -> None:
    assert choose_addresses(tmp_path) == choose_addresses(tmp_path) == read_addresses(tmp_path)


def test_address_in_use_is_replaced(tmp_path: Path) -> None:
    before = choose_addresses(tmp_path).of("front-door", "public")
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(before.partition(":")[2])))
        other.listen()
        assert choose_addresses(tmp_path).of("front-door", "public") != before


def test_folder_without_an_instance_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="NO_INSTANCE"):
        read_addresses(tmp_path)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_settings_name_listeners_peers_and_files(
    tmp_path: Path, certificates: InstanceCertificates, service: Service
) -> None:
    addresses = choose_addresses(tmp_path)
    settings = build_settings(
        service,
        profile=tmp_path / "profile.yaml",
        overlay=None,
        addresses=addresses,
        certificates=certificates,
        database="postgresql://x" if service.keeps_database or service.reads_database_of else None,
        further={"TOROKU_TRACE_SAMPLING": "1"},
    )
    for listener in service.listeners:
        assert settings[f"TOROKU_{listener.upper()}_LISTEN"] == addresses.of(service.name, listener)
    endpoints = {name: value for name, value in settings.items() if name.endswith("_ENDPOINT")}
    assert endpoints == {
        f"TOROKU_{peer.upper().replace('-', '_')}_ENDPOINT": addresses.of(peer, "internal") for peer in service.calls
    }
    for name in ("CERTIFICATE", "PRIVATE_KEY", "SERVICES_CA", "AGENCY_CLIENTS_CA", "CALLERS"):
        assert Path(settings[f"TOROKU_{name}"]).is_file()
    officers_ca = settings.get("TOROKU_OFFICER_CLIENTS_CA")
    assert officers_ca == (
        None
        if service.name in ("user-lookup", "front-door", "portal")
        else str(certificates.officer_clients_authorities)
    )
    assert settings["TOROKU_TRACE_SAMPLING"] == "1"
    assert ("TOROKU_DATABASE" in settings) == (service.name != "front-door")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_service_calls_those_whose_endpoints_its_settings_have(service: Service) -> None:
    module = import_module(f"{service.package}.settings")
    model = module.LookupSettings if service.command == "serve-lookup" else module.Settings
    endpoints = {name.removesuffix("_endpoint") for name in model.model_fields if name.endswith("_endpoint")}
    assert endpoints - {"otlp"} == {peer.replace("-", "_") for peer in service.calls}


def test_lookups_share_program_and_database_with_their_registry_but_no_identity() -> None:
    lookup, registry = find_service("user-lookup"), find_service("certificate-registry")
    assert (lookup.package, lookup.reads_database_of) == (registry.package, registry.name)
    assert lookup.command != registry.command
    assert not lookup.keeps_database
    # No RPC admits it: who takes its key can call nobody.
    for name in INTERFACES:
        for method in find_methods(name):
            assert lookup.name not in method.GetOptions().Extensions[access_pb2.access].services


def test_worker_listens_on_its_health_port_only(tmp_path: Path, certificates: InstanceCertificates) -> None:
    registry = next(service for service in SERVICES if service.name == "certificate-registry")
    addresses = choose_addresses(tmp_path)
    server_settings = build_settings(
        registry,
        profile=tmp_path,
        overlay=tmp_path,
        addresses=addresses,
        certificates=certificates,
        database="postgresql://x",
        further={},
    )
    settings = build_worker_settings(registry, server_settings, addresses, certificates)
    assert [name for name in settings if name.endswith("_LISTEN")] == ["TOROKU_HEALTH_LISTEN"]
    assert settings["TOROKU_HEALTH_LISTEN"] != server_settings["TOROKU_HEALTH_LISTEN"]
    assert settings["TOROKU_DATABASE"] == "postgresql://x"


@pytest.mark.parametrize(
    ("key", "holder"),
    [
        ("bidder_proof_private", "qualification-registry"),
        ("officer_proof_private", "certificate-registry"),
        ("act_proof_private", "certificate-registry"),
    ],
)
def test_only_the_signer_has_the_private_key_of_proofs(
    tmp_path: Path, certificates: InstanceCertificates, key: str, holder: str
) -> None:
    addresses = choose_addresses(tmp_path)
    holders = [
        service.name
        for service in SERVICES
        if str(getattr(certificates, key))
        in build_settings(
            service,
            profile=tmp_path,
            overlay=None,
            addresses=addresses,
            certificates=certificates,
            database=None,
            further={},
        ).values()
    ]
    assert holders == [holder]


def test_only_workers_with_a_history_have_the_key_that_seals_it(
    tmp_path: Path, certificates: InstanceCertificates
) -> None:
    """And only who seals or opens mailed secrets has the key of these, and who signs snapshots that of them."""
    addresses = choose_addresses(tmp_path)
    sealers, key = [], ("TOROKU_HISTORY_KEY", str(certificates.history_private))
    of_snapshots, snapshot_key = [], ("TOROKU_FEED_KEY", str(certificates.feed_private))
    of_secrets, secret_key = [], ("TOROKU_MAILED_SECRET_KEY", str(certificates.mailed_secret_key))
    for service in SERVICES:
        server_settings = build_settings(
            service,
            profile=tmp_path,
            overlay=None,
            addresses=addresses,
            certificates=certificates,
            database=None,
            further={},
        )
        assert key[0] not in server_settings
        assert key[1] not in server_settings.values()
        assert snapshot_key[1] not in server_settings.values()
        of_secrets += [service.name] if secret_key in server_settings.items() else []
        if service.keeps_database:
            settings = build_worker_settings(service, server_settings, addresses, certificates)
            sealers += [service.name] if key in settings.items() else []
            of_snapshots += [service.name] if snapshot_key in settings.items() else []
            of_secrets += [f"{service.name} worker"] if secret_key in settings.items() else []
    assert of_secrets == ["certificate-registry", "contact-notification worker"]
    assert of_snapshots == ["agency-sync"]
    assert sealers == ["qualification-registry", "certificate-registry", "contact-notification"]


def test_methods_open_to_an_agency_are_listed_with_their_fields() -> None:
    fields = {method.name: list_request_fields(method) for method in list_methods("user-lookup", "agencies")}
    assert fields == {"ResolveUser": "agency, category, certificate_sha256, certificate, possession_verified"}
    assert list_methods("certificate-registry", "agencies") == []


def test_unknown_service_is_refused_with_the_names() -> None:
    with pytest.raises(Refusal) as refused:
        list_methods("certificates", "agencies")
    assert refused.value.reason == "UNKNOWN_SERVICE"
    assert "certificate-registry" in refused.value.metadata["services"]
