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
        officers={},
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
