"""`toroku check` against a running front door and registry: its steps and texts, and that it changes nothing."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from operator_command.launcher.instance import Instance, running_instance
from operator_command.topology import SERVICES
from simulators.instance_overlay import write_overlay

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROFILE = Path("profiles/saitama.yaml")
ASKED = ("certificate-registry", "front-door")
AGENCY = "kawagoe-city"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of the command."""

    status: int
    out: str
    error: str


async def check(state: Path, *arguments: str | Path) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "operator_command", "check", "--state", str(state), *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), error.decode())


def started(folder: Path, overlay: Path) -> AbstractAsyncContextManager[Instance]:
    services = [service for service in SERVICES if service.name in ASKED]
    return running_instance(PROFILE, folder / "state", overlay=overlay, durable=False, services=services)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def instance() -> AsyncIterator[Instance]:
    """An instance that never closes and trusts no card CA."""
    with tempfile.TemporaryDirectory(prefix="toroku-check-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with started(folder, write_overlay(folder / "overlay.yaml", [])) as running:
            yield running


def rows(instance: Instance) -> dict[str, int]:
    """The number of rows of every table of the registry, without the tables of jobs, which change on their own."""
    database = instance.services["certificate-registry"].database
    assert database is not None
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        counted = {}
        for (table,) in found:
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            row = connection.execute(query).fetchone()
            assert row is not None
            counted[table] = row[0]
        return counted


async def test_check_reports_every_step_and_changes_nothing(instance: Instance) -> None:
    before = rows(instance)
    assert before
    said = await check(instance.state, "--agency", AGENCY)
    assert (said.status, said.error) == (0, "")
    described, begun, resolved, ok, how = said.out.splitlines()
    assert "埼玉県電子入札共同システム (saitama), 13 agencies, 2 categories" in described
    assert "CERTIFICATE_AUTHORITY_UNKNOWN, as it has to be" in begun
    assert f"as {AGENCY} whose card one is that nobody has: NOT_REGISTERED, as it has to be" in resolved
    assert ok.startswith("check: ok. Nothing was changed.")
    assert f"card-agent register --endpoint {instance.front_door} --pkcs12" in how
    assert rows(instance) == before


async def test_closing_text_is_printed_last_after_success_only(instance: Instance, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("$HOME is where, $NOBODY_SET_THIS stays\n")
    said = await check(instance.state, "--words", str(words))
    assert said.out.splitlines()[-1] == f"{os.environ['HOME']} is where, $NOBODY_SET_THIS stays"
    refused = await check(instance.state, "--words", str(words), "--front-door", "127.0.0.1:1")
    assert refused.status == 1
    assert "$NOBODY_SET_THIS" not in refused.out


async def test_check_is_configured_by_environment_variables(instance: Instance, tmp_path: Path) -> None:
    own, registry = instance.certificates.agencies[AGENCY], instance.certificates.services["certificate-registry"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "operator_command", "check"),
        cwd=tmp_path,
        env={
            "TOROKU_FRONT_DOOR": instance.front_door,
            "TOROKU_FRONT_DOOR_NAME": "front-door",
            "TOROKU_PUBLIC_CA": str(instance.certificates.public.authority),
            "TOROKU_AGENCY": AGENCY,
            "TOROKU_ENDPOINT": instance.addresses.of("certificate-registry", "agency"),
            "TOROKU_CLIENT_CERTIFICATE": str(own.certificate),
            "TOROKU_CLIENT_KEY": str(own.private_key),
            "TOROKU_TRUST": str(registry.authority),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert "NOT_REGISTERED, as it has to be" in out.decode()


async def test_front_door_of_another_ca_or_name_is_refused(instance: Instance) -> None:
    other_ca = instance.certificates.services["front-door"].authority
    for arguments in (
        ("--front-door", instance.front_door, "--public-ca", other_ca),
        ("--front-door", instance.front_door, "--front-door-name", "toroku.elsewhere.example"),
    ):
        said = await check(instance.state, *arguments)
        assert (said.status, said.out) == (1, "")
        assert f"{instance.front_door} did not answer: UNAVAILABLE" in said.error
        assert "--public-ca" in said.error


async def test_unregistered_agency_is_reported(instance: Instance) -> None:
    callers = instance.certificates.callers
    registered = callers.read_text()
    callers.write_text("agencies: {}\n")
    try:
        said = await check(instance.state, "--agency", AGENCY)
    finally:
        callers.write_text(registered)
    assert said.status == 1
    assert "The answer is CALLER_UNKNOWN, where NOT_REGISTERED had to come." in said.error
    assert f"as {AGENCY}" in said.error


async def test_unknown_agency_is_reported_with_the_known_ones(instance: Instance) -> None:
    said = await check(instance.state, "--agency", "nowhere-city")
    assert said.status == 1
    assert "nowhere-city is no agency of saitama" in said.error
    assert AGENCY in said.error


async def test_missing_client_file_is_named(instance: Instance, tmp_path: Path) -> None:
    said = await check(instance.state, "--front-door", instance.front_door, "--public-ca", tmp_path / "none.crt")
    assert said.status == 1
    assert str(tmp_path / "none.crt") in said.error


async def test_front_door_without_its_registry_is_reported(instance: Instance) -> None:
    server = instance.services["certificate-registry"].server
    await server.stop()
    try:
        said = await check(instance.state)
    finally:
        server.start()
        await server.wait_until_ready()
    assert said.status == 1
    assert "13 agencies" in said.out
    assert "The answer is PEER_UNREACHABLE, where CERTIFICATE_AUTHORITY_UNKNOWN had to come." in said.error


async def test_check_succeeds_outside_opening_hours() -> None:
    with tempfile.TemporaryDirectory(prefix="toroku-check-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        overlay = folder / "overlay.yaml"
        overlay.write_text("opening_hours: {weekdays: []}\n", "utf-8")
        async with started(folder, overlay) as closed:
            said = await check(closed.state)
    assert (said.status, said.error) == (0, "")
    _, is_closed, begun, *_ = said.out.splitlines()
    assert "it is up, and closed; it opens next: not known yet" in is_closed
    assert "for the receipt of a registration that was never made: CERTIFICATE_AUTHORITY_UNKNOWN" in begun
