"""The front door as a process: its settings, TLS at its public listener, unreachable peers."""

import asyncio
import os
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import yaml

from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from refusals.status import from_rpc_error
from simulators.instance_overlay import NEVER_CLOSED
from tests.support.example_profile import PREFECTURE, WORKS, example_profile
from toroku.frontdoor.v1 import entry_pb2, registration_pb2
from toroku.frontdoor.v1.entry_pb2_grpc import EntryStub
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub

SECONDS_TO_START = 20


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path / "certificates",
        instance="example",
        services=["front-door"],
        agencies=[],
        officers=[],
        now=datetime.now(UTC),
    )


@pytest.fixture
def settings(tmp_path: Path, certificates: InstanceCertificates) -> dict[str, str]:
    profile = tmp_path / "example.yaml"
    content = example_profile(opening_hours=NEVER_CLOSED).model_dump(mode="json")
    profile.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    own = certificates.services["front-door"]
    values = {
        "PROFILE": profile,
        "CERTIFICATE": own.certificate,
        "PRIVATE_KEY": own.private_key,
        "SERVICES_CA": own.authority,
        "PUBLIC_CERTIFICATE": certificates.public.certificate,
        "PUBLIC_PRIVATE_KEY": certificates.public.private_key,
        "PUBLIC_LISTEN": f"127.0.0.1:{_free_port()}",
        # Nothing listens at these.
        "QUALIFICATION_REGISTRY_ENDPOINT": f"127.0.0.1:{_free_port()}",
        "CERTIFICATE_REGISTRY_ENDPOINT": f"127.0.0.1:{_free_port()}",
        "CONTACT_NOTIFICATION_ENDPOINT": f"127.0.0.1:{_free_port()}",
        "AGENCY_SYNC_ENDPOINT": f"127.0.0.1:{_free_port()}",
    }
    return {f"TOROKU_{name}": str(value) for name, value in values.items()}


@asynccontextmanager
async def running(settings: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "front_door", "serve"), env=os.environ | settings, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def contractor_at(settings: Mapping[str, str], trusted: Path) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(trusted.read_bytes())
    return grpc.aio.secure_channel(settings["TOROKU_PUBLIC_LISTEN"], credentials)


async def test_front_door_serves_until_it_is_terminated(
    settings: dict[str, str], certificates: InstanceCertificates
) -> None:
    async with running(settings) as process, contractor_at(settings, certificates.public.authority) as channel:
        response = await EntryStub(channel).DescribeInstance(
            entry_pb2.DescribeInstanceRequest(), wait_for_ready=True, timeout=SECONDS_TO_START
        )
        assert response.instance.id == "example"
        assert response.instance.opening.open
        process.terminate()
        assert await asyncio.wait_for(process.wait(), SECONDS_TO_START) == 0


async def test_unreachable_peer_is_reported_and_the_instance_is_still_described(
    settings: dict[str, str], certificates: InstanceCertificates
) -> None:
    async with running(settings), contractor_at(settings, certificates.public.authority) as channel:
        request = registration_pb2.BeginRegistrationRequest(agency=PREFECTURE, category=WORKS, certificate=b"x")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await RegistrationStub(channel).BeginRegistration(request, wait_for_ready=True, timeout=SECONDS_TO_START)
        assert from_rpc_error(caught.value).reason == "PEER_UNREACHABLE"
        assert (
            await EntryStub(channel).DescribeInstance(entry_pb2.DescribeInstanceRequest(), timeout=5)
        ).instance.agencies


async def test_public_listener_uses_its_own_certificate(
    settings: dict[str, str], certificates: InstanceCertificates
) -> None:
    services_ca = certificates.services["front-door"].authority
    async with running(settings), contractor_at(settings, certificates.public.authority) as channel:
        await EntryStub(channel).DescribeInstance(
            entry_pb2.DescribeInstanceRequest(), wait_for_ready=True, timeout=SECONDS_TO_START
        )
        async with contractor_at(settings, services_ca) as stranger:
            with pytest.raises(grpc.aio.AioRpcError):
                await EntryStub(stranger).DescribeInstance(entry_pb2.DescribeInstanceRequest(), timeout=5)


@pytest.mark.parametrize(("setting", "most"), [(None, 100), ("30", 30)], ids=["default", "set"])
async def test_public_listener_tells_clients_its_bound_of_streams(
    settings: dict[str, str], certificates: InstanceCertificates, setting: str | None, most: int
) -> None:
    if setting is not None:
        settings["TOROKU_PUBLIC_STREAMS_PER_CONNECTION"] = setting
    async with running(settings), contractor_at(settings, certificates.public.authority) as channel:
        await EntryStub(channel).DescribeInstance(
            entry_pb2.DescribeInstanceRequest(), wait_for_ready=True, timeout=SECONDS_TO_START
        )
        context = ssl.create_default_context(cafile=str(certificates.public.authority))
        context.check_hostname = False
        context.set_alpn_protocols(["h2"])
        host, _, port = settings["TOROKU_PUBLIC_LISTEN"].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname="localhost")
        # RFC 9113: each side begins with SETTINGS, a frame of type 4, whose entries have two bytes of name (3:
        # SETTINGS_MAX_CONCURRENT_STREAMS) and four of value.
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        async with asyncio.timeout(10):
            head = await reader.readexactly(9)
            entries = await reader.readexactly(int.from_bytes(head[:3], "big"))
        writer.close()
    assert head[3] == 4
    told = dict(struct.unpack(">HI", entries[start : start + 6]) for start in range(0, len(entries), 6))
    assert told[3] == most


async def calls_until_refused(settings: Mapping[str, str], trusted: Path, most: int) -> tuple[int, str]:
    """Returns how many calls were answered, and the reason for which the next was refused, empty for none."""
    async with contractor_at(settings, trusted) as channel:
        for answered in range(most):
            try:
                await EntryStub(channel).DescribeInstance(
                    entry_pb2.DescribeInstanceRequest(), wait_for_ready=True, timeout=SECONDS_TO_START
                )
            except grpc.aio.AioRpcError as error:
                return answered, from_rpc_error(error).reason
    return most, ""


@pytest.mark.parametrize(("source_address", "expected"), [("direct", (4, "TOO_MANY_CALLS")), ("none", (30, ""))])
async def test_calls_are_counted_by_source_where_it_is_seen(
    settings: dict[str, str],
    certificates: InstanceCertificates,
    source_address: str,
    expected: tuple[int, str],
) -> None:
    settings |= {
        "TOROKU_SOURCE_ADDRESS": source_address,
        "TOROKU_SOURCE_BURST": "4",
        "TOROKU_SOURCE_RATE": "0.01",
    }
    async with running(settings):
        assert await calls_until_refused(settings, certificates.public.authority, 30) == expected


@pytest.mark.parametrize("source_address", ["direct", "none"])
async def test_log_ins_are_counted_by_certificate(
    settings: dict[str, str], certificates: InstanceCertificates, source_address: str
) -> None:
    settings |= {
        "TOROKU_SOURCE_ADDRESS": source_address,
        "TOROKU_CERTIFICATE_BURST": "2",
        "TOROKU_CERTIFICATE_RATE": "0.01",
    }
    reasons = []
    async with running(settings), contractor_at(settings, certificates.public.authority) as channel:
        for certificate in (b"x", b"x", b"x", b"y"):
            request = registration_pb2.BeginRegistrationRequest(
                agency=PREFECTURE, category=WORKS, certificate=certificate
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await RegistrationStub(channel).BeginRegistration(
                    request, wait_for_ready=True, timeout=SECONDS_TO_START
                )
            reasons.append(from_rpc_error(caught.value).reason)
    assert reasons == ["PEER_UNREACHABLE", "PEER_UNREACHABLE", "TOO_MANY_CALLS", "PEER_UNREACHABLE"]


async def run_with_file_limit(settings: Mapping[str, str], soft: int, hard: int) -> tuple[int, list[str]]:
    """Runs the front door until it serves; returns the soft limit that it then has, and its log."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"ulimit -Sn {soft}; ulimit -Hn {hard}; exec {sys.executable} -m front_door serve"),
        env=os.environ | settings,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines: list[str] = []
    async with asyncio.timeout(SECONDS_TO_START):
        while not lines or "serving at" not in lines[-1]:
            line = await process.stderr.readline()
            # The end of its log comes again and again, and at once.
            assert line, f"it did not start: {''.join(lines)}"
            lines.append(line.decode())
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    process.kill()
    await process.wait()
    (row,) = [row for row in limits.splitlines() if row.startswith("Max open files")]
    return int(row.split()[3]), lines


async def test_process_may_open_as_many_files_as_it_admits_connections(settings: dict[str, str]) -> None:
    settings["TOROKU_PUBLIC_CONNECTIONS"] = "500"
    limit, lines = await run_with_file_limit(settings, soft=300, hard=900)
    assert limit == 756
    assert not any("may open" in line for line in lines)
    limit, lines = await run_with_file_limit(settings, soft=300, hard=400)
    assert limit == 400
    (line,) = [line for line in lines if "may open" in line]
    assert "the listeners admit 500 connections, but this process may open 400 files only" in line


def test_profile_that_asks_for_what_nothing_carries_out_stops_the_start(settings: dict[str, str]) -> None:
    profile = Path(settings["TOROKU_PROFILE"])
    asked = "company_id: {label: {ja: 企業ID, en: Company ID}, digits: 15}"
    profile.write_text(profile.read_text("utf-8").replace("company_id: null", asked), "utf-8")
    line = profile.read_text("utf-8").splitlines().index(asked) + 1
    outcome = subprocess.run(
        (sys.executable, "-m", "front_door", "serve"),
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=SECONDS_TO_START,
        check=False,
    )
    assert outcome.returncode == 1
    assert outcome.stderr == (
        f"front-door: {profile}:{line}: company_id: not carried out yet: no 企業ID is assigned yet; leave the key out\n"
    )


@pytest.mark.parametrize("missing", ["TOROKU_PUBLIC_LISTEN", "TOROKU_CERTIFICATE_REGISTRY_ENDPOINT"])
def test_missing_setting_is_named(settings: dict[str, str], missing: str) -> None:
    del settings[missing]
    done = subprocess.run(
        [sys.executable, "-m", "front_door", "serve"],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_TO_START,
    )
    assert done.returncode != 0
    assert missing in done.stderr
    assert "Traceback" not in done.stderr


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
