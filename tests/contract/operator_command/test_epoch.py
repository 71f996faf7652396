"""`toroku epoch raise` raises the epoch in every database of an instance, or in none."""

import os
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest

from operator_command.topology import DATABASE_SERVICES


@pytest.fixture
def databases(migrated_database: Callable[[str], str]) -> dict[str, str]:
    return {service.name: migrated_database(service.package) for service in DATABASE_SERVICES}


def run(databases: dict[str, str], *options: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    given = [f"--database={service}={address}" for service, address in databases.items()]
    return subprocess.run(
        [sys.executable, "-m", "operator_command", "epoch", "raise", *given, *options],
        input=answer,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"},
    )


def read_epoch(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        (epoch,) = connection.execute(f"SELECT epoch FROM {table}".encode()).fetchone() or (0,)  # noqa: S608
        return int(epoch)


def read_epochs(databases: dict[str, str]) -> list[int]:
    tables = {"certificate-registry": "epoch", "qualification-registry": "registry_state", "agency-sync": "epoch"}
    return [read_epoch(databases[service], table) for service, table in tables.items()]


def test_all_epochs_are_raised_and_named(databases: dict[str, str]) -> None:
    outcome = run(databases, "--yes")
    assert outcome.returncode == 0, outcome.stderr
    for service in ("certificate-registry", "qualification-registry", "agency-sync"):
        assert f"{service}: the epoch is 2 now." in outcome.stdout
    assert "contact-notification: " in outcome.stdout
    assert read_epochs(databases) == [2, 2, 2]
    run(databases, "--yes")
    assert read_epochs(databases) == [3, 3, 3]


def test_without_an_answer_or_a_database_nothing_is_raised(databases: dict[str, str]) -> None:
    assert run(databases).returncode != 0
    missing = {service: address for service, address in databases.items() if service != "agency-sync"}
    assert "agency-sync" in run(missing, "--yes").stderr
    assert "agency-sync" in run({**missing, "agency-sync": "host=/nowhere"}, "--yes").stderr
    assert read_epochs(databases) == [1, 1, 1]
