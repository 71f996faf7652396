"""The newest head of the history is told to agency-sync, which is its witness (LIF-05)."""

import asyncio

import pytest

from contact_notification.adapters.agency_sync import AgencySync
from history import seal_keeper
from history.head_news import HEADS_QUEUE, SEND_HEAD, HeadNews
from history.heads import Head, is_signed
from history.receipt import read_head
from history.seal_keeper import keep_sealed
from servicekit.jobs import Work
from servicekit.messages import read_timestamp
from tests.support.history import get_newest_head
from tests.support.services.contact_change import register_at
from tests.support.services.contact_notification import RunningContactNotification
from tests.support.waiting import wait_until


async def ignore(_: Head) -> None:
    """Tells nobody."""


@pytest.mark.requirement("LIF-05")
async def test_newest_head_is_told_with_its_signature(contacts: RunningContactNotification) -> None:
    news = HeadNews(
        database=contacts.database,
        witness="agency-sync",
        tell=AgencySync(contacts.agency_sync_stub).record_history_head,
    )
    await news.send()
    assert contacts.agency_sync.history_heads == [], "nothing is sealed yet"
    await register_at(contacts)
    assert not await contacts.verify_history()
    await news.send()
    head = await get_newest_head(contacts.database)
    [told] = contacts.agency_sync.history_heads
    assert (told.service, told.position) == ("contact-notification", head.number)
    assert read_timestamp(told.sealed_at) == head.sealed_at
    assert read_head(told.head) == head
    assert is_signed(read_head(told.head), contacts.history_key.public_key)


async def test_one_job_waits_however_many_heads_there_are(contacts: RunningContactNotification) -> None:
    news = HeadNews(database=contacts.database, witness="agency-sync", tell=ignore)
    for _ in range(3):
        await news.enqueue()
    query = "SELECT task_name FROM jobs.procrastinate_jobs WHERE queue_name = 'heads_to_agency_sync'"
    assert await contacts.rows(query) == [(SEND_HEAD,)]
    # One that is being run may have read the head before.
    await contacts.execute("UPDATE jobs.procrastinate_jobs SET status = 'doing'")
    await news.enqueue()
    assert await contacts.rows(query) == [(SEND_HEAD,)] * 2
    work = Work()
    news.register(work)
    assert work.peers[HEADS_QUEUE].name == "agency-sync"


async def test_each_seal_has_its_head_told(
    contacts: RunningContactNotification, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_keeper, "GATHER", 0.05)
    told: list[int] = []

    async def note() -> None:
        told.append((await get_newest_head(contacts.database)).number)

    await register_at(contacts)
    sealing = keep_sealed(contacts.database, contacts.chain, contacts.history_key, dsn=contacts.dsn, after_seal=note)
    async with sealing:
        await wait_until(lambda: has_been_told(told, 1))
        await register_at(contacts, 2, representative=False)
        await wait_until(lambda: has_been_told(told, 2))


async def has_been_told(told: list[int], number: int) -> bool:
    return number in told


@pytest.mark.requirement("LIF-05")
@pytest.mark.parametrize("hangs", [True, False])
async def test_sealing_waits_for_no_witness(
    contacts: RunningContactNotification, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr(seal_keeper, "GATHER", 0.05)
    monkeypatch.setattr(seal_keeper, "LONGEST_TELLING", 0.1)

    async def fail() -> None:
        if hangs:
            await asyncio.Event().wait()
        raise ConnectionError

    async def is_sealed() -> bool:
        return await contacts.rows("SELECT count(*) FROM history_unsealed") == [(0,)]

    sealing = keep_sealed(contacts.database, contacts.chain, contacts.history_key, dsn=contacts.dsn, after_seal=fail)
    async with sealing:
        for number in (1, 2):
            await register_at(contacts, number, representative=number == 1)
            await wait_until(is_sealed)
