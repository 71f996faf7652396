"""A peer all of whose addresses are replaced, as by a roll-out, is found again at once, and no call is lost."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from refusals import Refusal
from servicekit.clients import GAP, Peers
from tests.support.echo_service import DESCRIPTOR, INSTANCE, NAME, EchoServicer, EchoStub, request
from tests.support.in_process import Authority, calling, serving
from tests.support.name_server import NameServer, name_server

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
ANSWER = "service front-door"
FOUND_WITHIN = 5.0
# Seconds without any address: fewer than calls wait; and so many that gRPC alone would ask for addresses much later.
SHORT_GAP, LONG_GAP = 3.0, 17.0


@dataclass(slots=True)
class Site:
    """A service that moves from one address to another, and the name server that knows where it is."""

    authority: Authority
    names: NameServer
    servicer: EchoServicer = field(default_factory=EchoServicer)
    port: int = 0

    def serving_at(self, host: str) -> AbstractAsyncContextManager[str]:
        """Runs the service at an address, always at the same port."""
        services = {DESCRIPTOR: self.servicer.add_to}
        return serving(self.authority, NAME, services, instance=INSTANCE, host=host, port=self.port)

    async def choose_port(self) -> None:
        async with self.serving_at(FIRST) as address:
            self.port = int(address.rpartition(":")[2])

    def calling(self) -> AbstractAsyncContextManager[Peers]:
        """Opens the caller's side, which knows the service by its name only."""
        target = f"dns://{self.names.address}/echo.toroku.test:{self.port}"
        return calling(self.authority.service("front-door"), echo=target)


async def ask(peers: Peers, timeout: float = 10.0) -> str:  # noqa: ASYNC109 (the call's own)
    answer = await peers.stub(NAME, EchoStub).ask(request(), timeout=timeout)
    return str(answer.value)


async def test_peer_is_found_at_its_new_addresses(tmp_path: Path) -> None:
    async with name_server(FIRST) as names:
        site = Site(Authority(tmp_path, INSTANCE), names)
        await site.choose_port()
        async with site.calling() as peers:
            async with site.serving_at(FIRST):
                assert await ask(peers) == ANSWER
            async with site.serving_at(SECOND):
                names.addresses = [SECOND]
                began = time.monotonic()
                assert await ask(peers) == ANSWER
                assert time.monotonic() - began < FOUND_WITHIN


async def test_no_call_is_lost_while_a_peer_has_no_address(tmp_path: Path) -> None:
    async with name_server(FIRST) as names:
        site = Site(Authority(tmp_path, INSTANCE), names)
        await site.choose_port()
        async with site.calling() as peers:
            async with site.serving_at(FIRST):
                assert await ask(peers) == ANSWER
            names.addresses = []
            asked = [asyncio.create_task(ask(peers)) for _ in range(20)]
            await asyncio.sleep(SHORT_GAP)
            async with site.serving_at(SECOND):
                names.addresses = [SECOND]
                began = time.monotonic()
                assert await asyncio.gather(*asked) == [ANSWER] * len(asked)
                assert time.monotonic() - began < FOUND_WITHIN
            assert site.servicer.calls == 1 + len(asked)


async def test_call_waits_no_longer_than_its_caller(tmp_path: Path) -> None:
    async with name_server() as names:
        site = Site(Authority(tmp_path, INSTANCE), names, port=1)
        async with site.calling() as peers:
            began = time.monotonic()
            with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
                await ask(peers, timeout=1.0)
            assert time.monotonic() - began < GAP / 2


async def test_calls_to_a_peer_that_stays_away_are_refused_at_once_until_it_is_back(tmp_path: Path) -> None:
    async with name_server(FIRST) as names:
        site = Site(Authority(tmp_path, INSTANCE), names)
        await site.choose_port()
        async with site.calling() as peers:
            async with site.serving_at(FIRST):
                assert await ask(peers) == ANSWER
            names.addresses = []
            away_since = time.monotonic()
            while time.monotonic() - away_since < LONG_GAP:
                began = time.monotonic()
                with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
                    await ask(peers)
                if began - away_since > GAP + 1:
                    assert time.monotonic() - began < 1.0
            async with site.serving_at(SECOND):
                names.addresses = [SECOND]
                async with asyncio.timeout(FOUND_WITHIN):
                    while not await is_back(peers):
                        pass


async def is_back(peers: Peers) -> bool:
    try:
        return await ask(peers) == ANSWER
    except Refusal:
        return False
