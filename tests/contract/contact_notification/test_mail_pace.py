"""Mails that the mail server puts off keep no fresh mail waiting, and one that takes none is asked with few."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import text

from contact_notification.commands.worker import CONCURRENCY
from contact_notification.operations.mails import enqueue_mails
from servicekit import breaker, job_run
from servicekit.statements import Statement
from servicekit.telemetry import Telemetry
from tests.support.example_profile import example_profile
from tests.support.services.contact_messages import staging_request
from tests.support.services.contact_notification import RunningContactNotification, running_contact_notification
from tests.support.waiting import wait_until

# Enough to tell; with six hundred the same happens, only later.
WAITING = 100
# The breaker opens after three failures; as many as run at the same time may have begun before.
MOST_TRIES = breaker.MOST_FAILURES + CONCURRENCY["mail"]
FRESH = "fresh@contractor.example"


@pytest.fixture
async def contacts(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningContactNotification]:
    async with running_contact_notification(
        migrated_database("contact_notification"), tmp_path, example_profile()
    ) as running:
        await running.register(staging_request(1))
        await running.execute("DELETE FROM procrastinate_jobs")
        running.mailbox.domain_replies["slow.example"] = "450 4.2.1 busy"
        yield running


async def write_mails(contacts: RunningContactNotification, *addresses: str, all_are_due: bool = False) -> None:
    """Writes mails to these addresses, and enqueues them; with `all_are_due`, all other mails become due with them."""
    async with contacts.database.transaction() as connection:
        mail_ids = await connection.fetch_values(
            Statement(
                text(
                    "INSERT INTO mails (mail_id, message_id, notice_id, mail_address, state, written_at) "
                    "SELECT mail_id, '<' || mail_id || '@toroku.example>', notice_id, address, 'written', now() "
                    "FROM (SELECT gen_random_uuid() AS mail_id, unnest(CAST(:addresses AS text[])) AS address) new, "
                    "(SELECT notice_id FROM notices LIMIT 1) notice RETURNING mail_id"
                )
            ),
            addresses=list(addresses),
        )
        await enqueue_mails(connection, mail_ids)
        if all_are_due:
            await connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")


@asynccontextmanager
async def working(contacts: RunningContactNotification) -> AsyncIterator[None]:
    """Runs the worker as it is deployed."""
    stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def stopped() -> None:
        await stop

    worker = asyncio.create_task(
        job_run.run(
            contacts.work,
            contacts.dsn,
            telemetry=Telemetry(TracerProvider(), 0),
            concurrency=CONCURRENCY,
            stop=stopped(),
        )
    )
    try:
        yield
    finally:
        stop.set_result(None)
        await worker


async def test_fresh_mail_does_not_wait_for_mails_that_are_put_off(contacts: RunningContactNotification) -> None:
    box = contacts.mailbox
    slow = [f"{number}@slow.example" for number in range(WAITING)]
    await write_mails(contacts, *slow)
    async with working(contacts):
        await box.until_true(lambda: set(slow) <= set(box.tried))
        await write_mails(contacts, FRESH, all_are_due=True)
        before = len(box.tried)
        await box.until_true(lambda: FRESH in box.tried[before:])
        between = box.tried.index(FRESH) - before
    assert [mail.recipients for mail in box.mails] == [(FRESH,)]
    # As many as were being tried, and as many again that the worker had taken meanwhile; not hundreds.
    assert between <= 4 * CONCURRENCY["mail"]


async def test_server_that_takes_no_mail_is_asked_with_few(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def has_opened() -> bool:
        return "the mail server does not answer" in caplog.text

    # No probe in this test.
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 1000.0)
    await contacts.close_mailbox()
    await write_mails(contacts, *(f"{number}@contractor.example" for number in range(2 * MOST_TRIES)))
    with caplog.at_level(logging.WARNING):
        async with working(contacts):
            await wait_until(has_opened)
    ((tried,),) = await contacts.rows("SELECT count(*) FROM mails WHERE result = 'server_unusable'")
    assert breaker.MOST_FAILURES <= tried <= MOST_TRIES
