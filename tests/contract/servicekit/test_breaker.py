"""Jobs whose peer does not answer wait in their slots, on the real database."""

import asyncio
import logging
from typing import Any

import pytest

from refusals import Code, Refusal
from servicekit import breaker, job_store, jobs
from servicekit.database import Database
from servicekit.database_connection import Connection
from tests.support.running_worker import running_worker
from tests.support.waiting import wait_until

UNREACHABLE = Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE)


class PeerOfATest:
    """What every job calls: away or not, with jobs that it never bears."""

    def __init__(self) -> None:
        self.is_away = True
        self.poison: set[str] = set()
        self.calls: list[str] = []
        self.reported: list[bool] = []
        self.work = jobs.Work()
        self.work.wait_for("the peer", queue="events")

        @self.work.task("deliver", queue="events", timeout=5)
        async def deliver(arguments: dict[str, Any]) -> None:
            self.calls.append(arguments["id"])
            if self.is_away or arguments["id"] in self.poison:
                raise UNREACHABLE

    def report(self, _: str, is_away: bool) -> None:
        self.reported.append(is_away)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(job_store, "SHORTEST_WAIT", 0.01)


async def enqueue(database: Database, *ids: str) -> None:
    async with database.transaction() as connection:
        await jobs.enqueue_each(connection, "deliver", queue="events", arguments=[{"id": name} for name in ids])


async def waits(database: Database, jobs_left: int) -> bool:
    async with database.read() as connection:
        return (await jobs.waiting(connection)).get("events", 0) == jobs_left


async def has_called(peer: PeerOfATest, calls: int) -> bool:
    return len(peer.calls) >= calls


async def is_reported(peer: PeerOfATest) -> bool:
    return peer.reported[-1:] == [True]


async def test_jobs_wait_while_their_peer_is_away_and_all_go_on_when_it_answers(
    opened: Database, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer = PeerOfATest()
    await enqueue(opened, *map(str, range(40)))
    with caplog.at_level(logging.INFO, "servicekit.breaker"):
        async with running_worker(peer.work, dsn, report_peer=peer.report, events=2):
            await wait_until(lambda: is_reported(peer))
            await wait_until(lambda: has_called(peer, 10))
            async with opened.read() as connection:
                (tried,) = await fetch(connection, "SELECT count(*) FROM jobs.procrastinate_jobs WHERE priority < 0")
            # Only those that failed before it was clear, and the probes: the others wait and write nothing.
            assert tried is not None
            assert tried <= len(peer.calls) < 40
            peer.is_away = False
            await wait_until(lambda: waits(opened, 0))
    assert peer.reported == [False, True, False]
    lines = [record.message for record in caplog.records if record.name == "servicekit.breaker"]
    assert lines[0].startswith("the peer does not answer: the jobs of the queue events wait")
    assert "answers again" in lines[1]


async def test_failures_of_probes_are_not_held_against_a_job(opened: Database, dsn: str) -> None:
    peer = PeerOfATest()
    await enqueue(opened, "1")
    async with running_worker(peer.work, dsn, report_peer=peer.report, events=2):
        await wait_until(lambda: has_called(peer, breaker.MOST_FAILURES + 3))
        async with opened.read() as connection:
            (priority,) = await fetch(connection, "SELECT priority FROM jobs.procrastinate_jobs")
        # Three failures before it was clear; then its wait grows no more, so it is done soon after the peer is back.
        assert priority is not None
        assert priority >= -breaker.MOST_FAILURES
        peer.is_away = False
        await wait_until(lambda: waits(opened, 0))


async def test_job_that_its_peer_never_bears_keeps_no_other_waiting(opened: Database, dsn: str) -> None:
    peer = PeerOfATest()
    peer.is_away, peer.poison = False, {"poison"}
    await enqueue(opened, "poison")
    async with running_worker(peer.work, dsn, report_peer=peer.report, events=2):
        await wait_until(lambda: is_reported(peer))
        await enqueue(opened, "fresh")
        await wait_until(lambda: waits(opened, 1))
        assert peer.calls.count("fresh") == 1
        await wait_until(lambda: is_not_reported(peer))


async def is_not_reported(peer: PeerOfATest) -> bool:
    return peer.reported[-1:] == [False]


async def test_jobs_that_their_peer_never_bears_are_not_the_only_probes(opened: Database, dsn: str) -> None:
    peer = PeerOfATest()
    peer.is_away, peer.poison = False, {"a", "b", "c"}
    await enqueue(opened, *peer.poison)
    async with running_worker(peer.work, dsn, report_peer=peer.report, events=2):
        await wait_until(lambda: is_reported(peer))
        await enqueue(opened, "fresh")
        await wait_until(lambda: waits(opened, 3))
    assert peer.calls.count("fresh") == 1


async def test_answer_that_refuses_closes_the_breaker(opened: Database, dsn: str) -> None:
    peer = PeerOfATest()
    refusal = Refusal("NOTICE_INVALID", Code.INVALID_ARGUMENT)
    tries = 0

    @peer.work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        nonlocal tries
        tries += 1
        if tries <= breaker.MOST_FAILURES:
            raise TimeoutError
        if tries == breaker.MOST_FAILURES + 1:
            raise refusal

    await enqueue(opened, "1")
    async with running_worker(peer.work, dsn, report_peer=peer.report, events=2):
        await wait_until(lambda: waits(opened, 0))
    assert peer.reported == [False, True, False]


async def test_only_the_reasons_that_the_service_names_have_jobs_wait(opened: Database, dsn: str) -> None:
    peer = PeerOfATest()
    peer.work.wait_for("the mail server", queue="events", reasons={"BIDDER_NOT_FOUND"})
    await enqueue(opened, "1")
    async with running_worker(peer.work, dsn, report_peer=peer.report, events=2):
        await wait_until(lambda: has_called(peer, breaker.MOST_FAILURES + 2))
        peer.is_away = False
        await wait_until(lambda: waits(opened, 0))
    assert peer.reported == [False]


async def test_waiting_jobs_end_promptly_when_the_worker_stops_and_are_run_again(
    opened: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 3600.0)
    peer = PeerOfATest()
    await enqueue(opened, *map(str, range(5)))
    async with asyncio.timeout(8):
        async with running_worker(peer.work, dsn, report_peer=peer.report, events=2):
            await wait_until(lambda: is_reported(peer))
            await wait_until(lambda: are_taken(opened, 2))
    async with opened.read() as connection:
        left = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE status = 'todo' AND priority >= -3"
        assert await fetch(connection, left) == [5]
    peer.is_away = False
    async with running_worker(peer.work, dsn, report_peer=peer.report, events=2):
        await wait_until(lambda: waits(opened, 0))


async def are_taken(database: Database, number: int) -> bool:
    async with database.read() as connection:
        doing = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE status = 'doing'"
        return await fetch(connection, doing) == [number]


async def fetch(connection: Connection, query: str) -> list[Any]:
    """The first column of a query's rows."""
    return [value for (value,) in await (await connection.execute(query.encode())).fetchall()]
