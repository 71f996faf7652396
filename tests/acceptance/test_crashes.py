"""Kill -9 of any one process at any step of a registration: it is there once, or not at all and repeatable.

A step is caught in the middle: a table that it writes to is locked, so that it waits inside its transaction; the
process is killed there, the lock is let go, and the process is started again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial

import psycopg
import pytest

from operator_command.launcher.inbox import read_messages
from operator_command.launcher.processes import Process
from refusals import Refusal
from tests.support.contractor import Contractor, contact_of
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1 import certificate_registry_pb2 as registry

SETTLED = 60.0
# What a caller may meet while a service is away; everything else would be a registration that is spoilt.
PASSING = {"PEER_UNREACHABLE", "PEER_FAILED", "CHALLENGE_USED"}
SERVICES = ("front-door", "qualification-registry", "certificate-registry", "contact-notification", "agency-sync")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a registration, and the table of a service that it waits for."""

    name: str
    service: str
    table: str


STEPS = (
    Step("begin", "certificate-registry", "challenge"),
    Step("log_in", "certificate-registry", "card_session"),
    Step("find", "qualification-registry", "search_counts"),
    Step("prepare", "contact-notification", "staged_registrations"),
    Step("register", "certificate-registry", "registration"),
    # After the commit, by the workers: the contacts become active, the mail goes out, the others are told.
    Step("activate", "contact-notification", "card_contacts"),
    Step("mail", "contact-notification", "mails"),
    Step("plan", "agency-sync", "intentions"),
    Step("propagate", "agency-sync", "propagations"),
)
AFTER_THE_COMMIT = ("activate", "mail", "plan", "propagate")


# The front door keeps nothing and has no worker.
PROCESSES = ("front-door", *(f"{service}{kind}" for service in SERVICES[1:] for kind in ("", " worker")))


@pytest.mark.requirement("REG-05")
@pytest.mark.parametrize("killed", PROCESSES)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
async def test_a_kill_leaves_a_registration_whole_or_repeatable(
    instance: RunningInstance, step: Step, killed: str
) -> None:
    contractor = instance.contractor()
    contractor.card_contact = contact_of("土木 一郎", mail_address=f"c{contractor.bidder_id}@contractor.example")
    process = process_of(instance, killed)

    running = await walk_into(instance, contractor, step)
    async with running as walking:
        process.kill()
    await process.restart()
    # Whatever became of the step itself, its caller got an answer or a refusal, and then does it all again.
    await asyncio.gather(walking, return_exceptions=True)
    await register_after_all(instance, contractor)

    await everything_is_there_once(instance, contractor)


async def walk_into(
    instance: RunningInstance, contractor: Contractor, step: Step
) -> "AbstractAsyncContextManager[asyncio.Future[object]]":
    """Goes up to the step, and gives what catches it in the middle."""
    before = ("begin", "log_in", "find", "prepare", "register")
    for name in before[: before.index(step.name) if step.name in before else len(before) - 1]:
        await getattr(contractor, name)()
    action: Callable[[], Awaitable[object]] = getattr(
        contractor, "register" if step.name in AFTER_THE_COMMIT else step.name
    )
    return caught_in(instance, step, action)


@asynccontextmanager
async def caught_in(
    instance: RunningInstance, step: Step, action: Callable[[], Awaitable[object]]
) -> AsyncIterator["asyncio.Future[object]"]:
    """Runs the step until it waits for the locked table; lets go at the end of the block."""
    dsn = instance.launched.services[step.service].database
    assert dsn is not None
    async with (
        await psycopg.AsyncConnection.connect(dsn) as holder,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watcher,
    ):
        await holder.execute(f"LOCK TABLE {step.table} IN ACCESS EXCLUSIVE MODE")
        walking = asyncio.ensure_future(action())
        async with asyncio.timeout(20):
            while not await waits_for(watcher, step.table):
                await asyncio.sleep(0.01)
        yield walking


async def waits_for(watcher: "psycopg.AsyncConnection[tuple[object, ...]]", table: str) -> bool:
    query = "SELECT 1 FROM pg_locks WHERE relation = to_regclass(%s) AND NOT granted LIMIT 1"
    return await (await watcher.execute(query, [f"public.{table}"])).fetchone() is not None


def process_of(instance: RunningInstance, name: str) -> Process:
    return next(process for process in instance.launched.processes if process.name == name)


async def register_after_all(instance: RunningInstance, contractor: Contractor) -> None:
    """What a contractor does whose answer was lost: asks for the receipt, else does it again, until one is there."""
    async with asyncio.timeout(SETTLED):
        while True:
            again = instance.contractor(like=contractor)
            again.card_contact = contractor.card_contact
            try:
                await again.begin(resume=again.request_id)
                await again.log_in(resume=again.request_id)
                try:
                    await again.receipt()
                except Refusal as refusal:
                    if refusal.reason != "REGISTRATION_NOT_FOUND":
                        raise
                    await again.find()
                    await again.prepare()
                    await again.register()
                return
            except Refusal as refusal:
                if refusal.reason not in PASSING:
                    raise
            await asyncio.sleep(0.2)


async def everything_is_there_once(instance: RunningInstance, contractor: Contractor) -> None:
    """One binding, one registration, one outcome; active contacts; one mail; and all other agencies know."""
    card = contractor.card.sha256
    assert await rows(instance, "certificate-registry", "binding", card) == 1
    assert await rows(instance, "certificate-registry", "request_outcome", card) == 1
    assert await rows(instance, "certificate-registry", "registration", card, f"agency = '{contractor.agency}'") == 1
    for agency in instance.other_agencies(contractor):
        await eventually(partial(good_at, instance, contractor, agency))
    await eventually(partial(mail_is_there, instance, contractor))
    assert await rows(instance, "contact-notification", "card_contacts", card) == 1
    assert await rows(instance, "contact-notification", "staged_registrations", card, "state <> 'active'") == 0
    notices = [message for message in read_messages(instance.launched.inbox) if is_to(contractor, message)]
    message_ids = [message["Message-ID"] for message in notices]
    # A mail may come twice where the answer of the mail server was lost, but then it is the same one.
    assert len(set(message_ids)) == 1


async def rows(
    instance: RunningInstance, service: str, table: str, certificate_sha256: bytes, where: str = "true"
) -> int:
    dsn = instance.launched.services[service].database
    assert dsn is not None
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        query = f"SELECT count(*) FROM {table} WHERE certificate_sha256 = %s AND {where}"  # noqa: S608
        found = await (await connection.execute(query, [certificate_sha256])).fetchone()
    assert found is not None
    return int(found[0])


async def good_at(instance: RunningInstance, contractor: Contractor, agency: str) -> bool:
    answer = await instance.resolve(contractor, agency)
    return answer.verdict == registry.ResolveUserResponse.VERDICT_GOOD


async def mail_is_there(instance: RunningInstance, contractor: Contractor) -> bool:
    return any(is_to(contractor, message) for message in read_messages(instance.launched.inbox))


def is_to(contractor: Contractor, message: EmailMessage) -> bool:
    return contractor.card_contact.mail_address in message["To"]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it holds; TimeoutError after a minute."""
    async with asyncio.timeout(SETTLED):
        while not await condition():
            await asyncio.sleep(0.1)
