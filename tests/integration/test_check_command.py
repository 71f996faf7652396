"""`toroku check` against a running front door and registry: its questions and reports, and that it changes nothing."""

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
CALLED_SERVICES = ("certificate-registry", "user-lookup", "front-door")
AGENCY = "kawagoe-city"


@dataclass(frozen=True, slots=True)
class Result:
    """The exit status and output of the command."""

    status: int
    out: str
    error: str


async def check(state: Path, *arguments: str | Path) -> Result:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "operator_command", "check", "--state", str(state), *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    out, error = await process.communicate()
    assert process.returncode is not None
    return Result(process.returncode, out.decode(), error.decode())


def start(folder: Path, overlay: Path) -> AbstractAsyncContextManager[Instance]:
    services = [service for service in SERVICES if service.name in CALLED_SERVICES]
    return running_instance(PROFILE, folder / "state", overlay=overlay, durable=False, services=services)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def instance() -> AsyncIterator[Instance]:
    """An instance that is always open and trusts no CA of cards."""
    with tempfile.TemporaryDirectory(prefix="toroku-check-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with start(folder, write_overlay(folder / "overlay.yaml", [])) as running:
            yield running


def rows(instance: Instance) -> dict[str, int]:
    """Returns the number of rows of every table of the registry, except for those of the job queue."""
    database = instance.services["certificate-registry"].database
    assert database is not None
    with psycopg.connect(database) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        counts = {}
        for (table,) in tables:
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            row = connection.execute(query).fetchone()
            assert row is not None
            counts[table] = row[0]
        return counts


async def test_every_step_is_reported_and_nothing_is_changed(instance: Instance) -> None:
    before = rows(instance)
    assert before
    result = await check(instance.state, "--agency", AGENCY)
    assert (result.status, result.error) == (0, "")
    describe_step, begin_step, resolve_step, summary, hint = result.out.splitlines()
    assert "埼玉県電子入札共同システム (saitama), 13 agencies, 2 categories" in describe_step
    assert "CERTIFICATE_AUTHORITY_UNKNOWN, as expected" in begin_step
    asked = f"user-lookup at {instance.addresses.of('user-lookup', 'agency')} as {AGENCY} about an unknown card"
    assert f"{asked}: NOT_REGISTERED, as expected" in resolve_step
    assert summary.startswith("check: ok. Nothing was changed.")
    assert f"card-agent register --endpoint {instance.front_door} --pkcs12" in hint
    assert rows(instance) == before


async def test_own_text_is_printed_last_and_only_after_success(instance: Instance, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("$HOME is where, $NOBODY_SET_THIS stays\n")
    result = await check(instance.state, "--words", str(words))
    assert result.out.splitlines()[-1] == f"{os.environ['HOME']} is where, $NOBODY_SET_THIS stays"
    refused = await check(instance.state, "--words", str(words), "--front-door", "127.0.0.1:1")
    assert refused.status == 1
    assert "$NOBODY_SET_THIS" not in refused.out


async def test_environment_variables_replace_the_state_folder(instance: Instance, tmp_path: Path) -> None:
    agency, lookup = instance.certificates.agencies[AGENCY], instance.certificates.services["user-lookup"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "operator_command", "check"),
        cwd=tmp_path,
        env={
            "TOROKU_FRONT_DOOR": instance.front_door,
            "TOROKU_FRONT_DOOR_NAME": "front-door",
            "TOROKU_PUBLIC_CA": str(instance.certificates.public.authority),
            "TOROKU_AGENCY": AGENCY,
            "TOROKU_ENDPOINT": instance.addresses.of("user-lookup", "agency"),
            "TOROKU_CLIENT_CERTIFICATE": str(agency.certificate),
            "TOROKU_CLIENT_KEY": str(agency.private_key),
            "TOROKU_TRUST": str(lookup.authority),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert "NOT_REGISTERED, as expected" in out.decode()


async def test_front_door_with_another_ca_or_name_is_not_trusted(instance: Instance) -> None:
    other_ca = instance.certificates.services["front-door"].authority
    for arguments in (
        ("--front-door", instance.front_door, "--public-ca", other_ca),
        ("--front-door", instance.front_door, "--front-door-name", "toroku.elsewhere.example"),
    ):
        result = await check(instance.state, *arguments)
        assert (result.status, result.out) == (1, "")
        assert f"{instance.front_door} did not answer: UNAVAILABLE" in result.error
        assert "--public-ca" in result.error


async def test_unregistered_agency_is_reported(instance: Instance) -> None:
    callers = instance.certificates.callers
    original = callers.read_text()
    callers.write_text("agencies: {}\n")
    try:
        result = await check(instance.state, "--agency", AGENCY)
    finally:
        callers.write_text(original)
    assert result.status == 1
    assert "The answer was CALLER_UNKNOWN; NOT_REGISTERED was expected." in result.error
    assert f"as {AGENCY}" in result.error


async def test_unknown_agency_is_reported_with_the_known_ones(instance: Instance) -> None:
    result = await check(instance.state, "--agency", "nowhere-city")
    assert result.status == 1
    assert "nowhere-city is no agency of saitama" in result.error
    assert AGENCY in result.error


async def test_missing_file_is_named(instance: Instance, tmp_path: Path) -> None:
    result = await check(instance.state, "--front-door", instance.front_door, "--public-ca", tmp_path / "none.crt")
    assert result.status == 1
    assert str(tmp_path / "none.crt") in result.error


async def test_front_door_without_its_registry_is_reported(instance: Instance) -> None:
    server = instance.services["certificate-registry"].server
    await server.stop()
    try:
        result = await check(instance.state)
    finally:
        server.start()
        await server.wait_until_ready()
    assert result.status == 1
    assert "13 agencies" in result.out
    assert "The answer was PEER_UNREACHABLE; CERTIFICATE_AUTHORITY_UNKNOWN was expected." in result.error


async def test_closed_instance_is_checked_all_the_same() -> None:
    with tempfile.TemporaryDirectory(prefix="toroku-check-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        overlay = folder / "overlay.yaml"
        overlay.write_text("opening_hours: {weekdays: []}\n", "utf-8")
        async with start(folder, overlay) as closed:
            result = await check(closed.state)
    assert (result.status, result.error) == (0, "")
    _, closed_step, begin_step, *_ = result.out.splitlines()
    assert "it is up but closed; next opening: not known yet" in closed_step
    assert "for the receipt of a registration that was never made: CERTIFICATE_AUTHORITY_UNKNOWN" in begin_step
