"""The example in Node for agency developers, and the example system in Python, against a real agency-sync."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # comes without types

from tests.support.agency_system import CHECKOUT, EXAMPLE_FEED, EXAMPLE_SYSTEM, INSTANCE, example_system, write_keys
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.services.agency_sync import RunningAgencySync, card_state, running_agency_sync
from tests.support.waiting import wait_until
from toroku.agencysync.v1 import feed_pb2
from toroku.certificate.v1 import card_state_pb2

PROGRAM = Path(__file__).with_name("agency_follow.js")
EXAMPLE = CHECKOUT / "docs" / "howto" / "follow-the-feed" / "follow.js"
PAGE = CHECKOUT / "docs" / "howto" / "follow-the-feed.md"
GOOGLE_PROTOS = Path(error_details_pb2.__file__).parents[2]
DAY = timedelta(days=1)


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    async with running_agency_sync(
        migrated_database("agency_sync"), tmp_path, example_profile(), heartbeat_interval=0.2, longest_stream=2
    ) as running:
        running.now[0] = datetime.now(UTC)
        yield running


class Follower:
    """The example in a process of its own; `said` is what it logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[str] = []

    async def ask(self, card: bytes, later: timedelta = timedelta()) -> dict[str, Any]:
        """Asks whether a card is good, now or later."""
        assert self._process.stdin is not None
        question = {"card": card.hex(), "later": later / timedelta(milliseconds=1)}
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        while "log" in (answer := await self._read()):
            self.said.append(answer["log"])
        return answer

    async def says(self, card: bytes, **expected: object) -> bool:
        """Whether an answer is the expected one."""
        answer = await self.ask(card)
        return {name: answer.get(name) for name in expected} == expected

    async def has_said(self, text: str) -> bool:
        """Whether it logged a text."""
        await self.ask(b"")
        return text in self.said

    async def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = await self._process.stdout.readline()
        assert line, (await self._process.stderr.read()).decode()
        content: dict[str, Any] = json.loads(line)
        return content


@asynccontextmanager
async def following(sync: RunningAgencySync, keys: Path, agency: str = PREFECTURE) -> AsyncIterator[Follower]:
    files = sync.agency_files[PREFECTURE]
    assert files.trusted is not None
    process = await asyncio.create_subprocess_exec(
        "node",
        PROGRAM,
        *(sync.agency_address, "agency-sync", files.trusted, files.certificate, files.private_key, keys),
        *(INSTANCE, agency, WORKS, CHECKOUT / "protos", GOOGLE_PROTOS),
        env={**os.environ, "NODE_PATH": str(CHECKOUT / "tools" / "node_modules")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Follower(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def register(sync: RunningAgencySync, number: int = 1, **more: Any) -> bytes:
    state = card_state(number=number, **more)
    state.certificate.not_after.FromDatetime(sync.now[0] + 700 * DAY)
    await sync.record(state)
    return state.certificate_sha256


@pytest.mark.requirement("SYN-06")
async def test_example_follows_the_feed_and_answers_from_its_copy(sync: RunningAgencySync, tmp_path: Path) -> None:
    first = uuid4()
    card = await register(sync, registration_id=first)
    await sync.make_snapshot(PREFECTURE)
    keys = write_keys(tmp_path, Ed25519PrivateKey.generate().public_key(), sync.feed_key)
    async with following(sync, keys) as follower:
        await wait_until(lambda: follower.says(card, reason="GOOD", bidderId=BIDDER, number=1), seconds=20)
        await register(sync, 2, registration_id=first, suspended=True)
        await wait_until(lambda: follower.says(card, reason="CARD_SUSPENDED"), seconds=20)
        other = await register(sync)
        await wait_until(lambda: follower.says(other, reason="GOOD", number=3), seconds=20)
        revoked = card_state_pb2.CertificateStanding.STATE_REVOKED
        third = await register(sync, standing=revoked)
        await wait_until(lambda: follower.says(third, reason="CERTIFICATE_REVOKED"), seconds=20)
        assert (await follower.ask(b"\0" * 32))["reason"] == "NOT_REGISTERED"
        assert (await follower.ask(other, DAY + timedelta(minutes=1)))["reason"] == "FEED_TOO_OLD"
        assert (await follower.ask(other, -2 * 365 * DAY))["reason"] == "CERTIFICATE_NOT_YET_VALID"
        assert (await follower.ask(other, 701 * DAY))["reason"] == "CERTIFICATE_EXPIRED"
        assert follower.said == []


@pytest.mark.requirement("SYN-06")
async def test_example_begins_again_where_it_has_to(sync: RunningAgencySync, tmp_path: Path) -> None:
    card = await register(sync)
    await sync.make_snapshot(PREFECTURE)
    async with following(sync, write_keys(tmp_path, sync.feed_key)) as follower:
        await wait_until(lambda: follower.says(card, reason="GOOD"), seconds=20)
        # The instance was restored.
        await sync.execute("UPDATE epoch SET epoch = epoch + 1")
        await sync.execute("DELETE FROM feed_snapshots")
        await sync.execute("DELETE FROM feed_snapshot_pieces")
        await wait_until(lambda: follower.has_said("FEED_RESTARTED"), seconds=20)
        assert await follower.says(card, reason="GOOD")
        await sync.make_snapshot(PREFECTURE)
        other = await register(sync)
        await wait_until(lambda: follower.says(other, reason="GOOD"), seconds=30)


@pytest.mark.requirement("SYN-06")
async def test_example_trusts_no_other_key_and_no_other_agency(sync: RunningAgencySync, tmp_path: Path) -> None:
    card = await register(sync)
    await sync.make_snapshot(PREFECTURE)
    keys = write_keys(tmp_path, Ed25519PrivateKey.generate().public_key())
    async with following(sync, keys) as follower:
        await wait_until(lambda: follower.has_said("no key that is trusted signed the snapshot"), seconds=20)
        assert (await follower.ask(card))["reason"] == "FEED_TOO_OLD"
    async with following(sync, write_keys(tmp_path, sync.feed_key), agency="city") as follower:
        await wait_until(lambda: follower.has_said("AGENCY_NOT_OWN"), seconds=20)


@pytest.mark.requirement("SYN-06")
async def test_example_system_answers_while_the_instance_is_away(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    copy = tmp_path / "feed.db"

    async def ask(card: bytes) -> tuple[int | None, str]:
        command = (*EXAMPLE_SYSTEM, "ask", "--copy", copy, *EXAMPLE_FEED, card.hex())
        asking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT)
        stdout, _ = await asking.communicate()
        return asking.returncode, json.loads(stdout)["answer"]

    async def is_good() -> bool:
        return await ask(card) == (0, "GOOD")

    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as sync:
        sync.now[0] = datetime.now(UTC)
        card = await register(sync)
        await sync.make_snapshot(PREFECTURE)
        async with example_system(sync, copy):
            await wait_until(is_good, seconds=60)
    # Neither the instance nor the subscriber is there any more.
    assert await ask(card) == (0, "GOOD")
    assert await ask(b"\0" * 32) == (1, "NOT_REGISTERED")


def test_page_shows_the_example_as_it_is() -> None:
    shown = re.findall(r"```js\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert shown == [EXAMPLE.read_text("utf-8")]


def test_reasons_and_states_on_the_page_are_explained() -> None:
    page = PAGE.read_text("utf-8")
    explained = (CHECKOUT / "docs" / "errors.md").read_text("utf-8")
    verdicts = (CHECKOUT / "docs" / "howto" / "ask-whose-card-it-is.md").read_text("utf-8")
    others = {code.name for code in grpc.StatusCode} | {"FEED_TOO_OLD", "TOROKU_FEED_KEY"}
    states = {name for name, _ in feed_pb2.Change.State.items()}
    named = set(re.findall(r"`([A-Z]+_[A-Z_0-9]+)`", page)) - others
    assert named & states == states - {"STATE_UNSPECIFIED"}
    # Two verdicts are newer than that page.
    newer = {"NOT_QUALIFIED", "UNDER_REVIEW"}
    assert [
        name for name in named - states - newer if f"| `{name}` |" not in explained and f"| `{name}` |" not in verdicts
    ] == []
