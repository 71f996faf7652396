"""The health probe of an image against the health port of a real service."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from servicekit.probe import probe_address
from tests.support.echo_service import read_health, running_echo_service
from tests.support.waiting import wait_until

# Packages that a service's settings need and the probe must not import.
HEAVY = ("pydantic", "sqlalchemy", "psycopg", "opentelemetry", "google.protobuf")


async def probe(listen: str | None) -> tuple[int | None, str]:
    """The probe's exit status and output; started as in an image, without shell, PATH and other variables."""
    environment = {} if listen is None else {"TOROKU_HEALTH_LISTEN": listen}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "servicekit.probe"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, said.decode().strip()


async def test_probe_reports_the_state_of_the_service(tmp_path: Path) -> None:
    good = True

    async def ready() -> bool:
        return good

    async with running_echo_service(tmp_path, ready=ready) as echo:
        port = echo.health.rpartition(":")[2]

        async def says(state: int) -> bool:
            return int(await read_health(echo.health)) == state

        await wait_until(lambda: says(1), echo.running)
        for listen in (f"127.0.0.1:{port}", f"0.0.0.0:{port}", f":{port}"):
            assert await probe(listen) == (0, "")
        good = False
        await wait_until(lambda: says(2), echo.running)
        assert await probe(f"0.0.0.0:{port}") == (
            1,
            f"the process at 127.0.0.1:{port} is NOT_SERVING; see its log",
        )


async def test_closed_port_is_reported_quickly() -> None:
    began = time.monotonic()
    status, said = await probe("0.0.0.0:1")
    assert time.monotonic() - began < 10
    assert status == 1
    assert said.startswith("the health port at 127.0.0.1:1 does not answer: UNAVAILABLE")
    assert len(said.splitlines()) == 1


async def test_missing_setting_is_reported() -> None:
    status, said = await probe(None)
    assert status == 1
    assert "TOROKU_HEALTH_LISTEN is empty" in said


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ("0.0.0.0:8081", "127.0.0.1:8081"),
        ("[::]:8081", "[::1]:8081"),
        (":8081", "127.0.0.1:8081"),
        ("127.0.0.1:8081", "127.0.0.1:8081"),
        ("localhost:8081", "localhost:8081"),
        ("[fd00::7]:8081", "[fd00::7]:8081"),
    ],
)
def test_probe_address_of_a_listen_address(listen: str, asked: str) -> None:
    assert probe_address(listen) == asked


async def test_probe_imports_only_grpc() -> None:
    code = f"import servicekit.probe, sys; sys.exit(' '.join(name for name in {HEAVY} if name in sys.modules))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), env=os.environ, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert said.decode().strip() == ""
