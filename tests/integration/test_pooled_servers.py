"""The server processes of all services behind a pooler become ready."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from operator_command.instance_certificates import issue_instance_certificates
from operator_command.launcher.processes import Process, build_python_command, make_health_check
from operator_command.topology import SERVICES, Service, build_settings, choose_addresses
from tests.support.example_profile import example_profile
from tests.support.infrastructure.pooler import running_pooler

WITH_DATABASE = [service for service in SERVICES if service.keeps_database or service.reads_database_of]


@pytest.mark.parametrize("service", WITH_DATABASE, ids=lambda service: service.name)
async def test_server_behind_a_pooler_becomes_ready(
    service: Service, migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = tmp_path / "example.yaml"
    profile.write_text(yaml.safe_dump(example_profile().model_dump(mode="json"), allow_unicode=True), "utf-8")
    addresses = choose_addresses(tmp_path)
    certificates = issue_instance_certificates(
        tmp_path / "certificates",
        instance="example",
        services=[each.name for each in SERVICES],
        agencies=[],
        officers=[],
        now=datetime.now(UTC),
    )
    with running_pooler(migrated_database(service.package)) as pooler:
        own = build_settings(
            service,
            profile=profile,
            overlay=None,
            addresses=addresses,
            certificates=certificates,
            database=pooler.dsn,
            further={"TOROKU_DATABASE_POOLED": "true"},
        )
        ready = make_health_check(addresses.of(service.name, "health"))
        log = tmp_path / "log"
        server = Process(
            service.name, build_python_command(service.package, service.command), environment=own, log=log, ready=ready
        )
        server.start()
        try:
            await server.wait_until_ready(60)
        finally:
            status = await server.stop()
        assert status == 0
        said = log.read_text()
        assert "not ready" not in said
        assert "Traceback" not in said
