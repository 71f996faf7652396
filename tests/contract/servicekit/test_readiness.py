"""The readiness of a process: judged when somebody asks, once for all who ask, and told to those who watch."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from servicekit import readiness
from servicekit.exceptions import NotReady
from servicekit.readiness import LIVE
from tests.support.echo_service import EchoService, echo_stub, read_health, request, running_echo_service
from tests.support.waiting import wait_until

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN


class Judgements:
    """A readiness check that counts, waits and fails as a test says."""

    def __init__(self) -> None:
        self.made = 0
        self.cause = ""
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> bool:
        self.made += 1
        await self.may_end.wait()
        if self.cause:
            raise NotReady(self.cause)
        return True


@pytest.fixture
def judgements() -> Judgements:
    return Judgements()


@pytest.fixture
async def echo(tmp_path: Path, judgements: Judgements, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EchoService]:
    """A service whose judgements hold for no time."""
    monkeypatch.setattr(readiness, "HOLDS_FOR", 0.0)
    monkeypatch.setattr(readiness, "WATCH_INTERVAL", 0.05)
    async with running_echo_service(tmp_path, ready=judgements) as running:
        yield running


async def test_readiness_is_judged_when_somebody_asks(
    echo: EchoService, judgements: Judgements, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="servicekit.readiness")
    assert await read_health(echo.health, LIVE) == SERVING
    assert judgements.made == 0
    assert await read_health(echo.health) == SERVING
    judgements.cause = "the database is away"
    assert [await read_health(echo.health) for _ in range(2)] == [NOT_SERVING, NOT_SERVING]
    assert await read_health(echo.health, LIVE) == SERVING
    judgements.cause = ""
    assert await read_health(echo.health) == SERVING
    assert judgements.made == 4
    assert [record.getMessage() for record in caplog.records] == ["not ready: the database is away", "ready"]


async def test_judgement_holds_for_all_who_ask_meanwhile(
    echo: EchoService, judgements: Judgements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "HOLDS_FOR", 3600.0)
    assert set(await asyncio.gather(*(read_health(echo.health) for _ in range(10)))) == {SERVING}
    assert judgements.made == 1


async def test_probe_is_answered_before_a_long_judgement_ends(
    echo: EchoService, judgements: Judgements, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the last one: a database that is slow for a moment makes nobody unready, one that hangs does."""
    monkeypatch.setattr(readiness, "PATIENCE", 0.01)
    monkeypatch.setattr(readiness, "LONGEST_JUDGEMENT", 0.5)
    await wait_until(lambda: says(echo, SERVING))
    judgements.may_end.clear()
    assert await read_health(echo.health) == SERVING
    await wait_until(lambda: says(echo, NOT_SERVING))
    judgements.may_end.set()
    await wait_until(lambda: says(echo, SERVING))


async def test_who_watches_is_told_of_each_change_and_of_the_drain(echo: EchoService, judgements: Judgements) -> None:
    async with (
        grpc.aio.insecure_channel(echo.health) as channel,
        echo_stub(echo.internal, echo.services.service("front-door")) as stub,
    ):
        watch = HealthStub(channel).Watch
        own, live, unknown = (watch(HealthCheckRequest(service=name), timeout=30) for name in ("", LIVE, "unknown"))
        assert [(await call.read()).status for call in (own, live, unknown)] == [SERVING, SERVING, UNKNOWN]
        judgements.cause = "the database is away"
        assert (await own.read()).status == NOT_SERVING
        judgements.cause = ""
        assert (await own.read()).status == SERVING
        # A running call keeps the process, and its health port, until the drain has been told.
        running = asyncio.ensure_future(stub.ask(request(behaviour="wait")))
        await echo.servicer.entered.wait()
        await echo.stop()
        assert [(await call.read()).status for call in (own, live)] == [NOT_SERVING, NOT_SERVING]
        made = judgements.made
        assert await read_health(echo.health) == NOT_SERVING
        assert judgements.made == made
        echo.servicer.leave.set()
        await running


async def test_unknown_service_is_not_found(echo: EchoService) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await read_health(echo.health, "unknown")
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


async def says(echo: EchoService, state: int) -> bool:
    return int(await read_health(echo.health)) == state
