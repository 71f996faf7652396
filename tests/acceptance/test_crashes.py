"""Kill -9 of any process at any step of a registration: it is complete once, or it can be repeated."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from email.message import EmailMessage
from functools import partial

import pytest

from operator_command.launcher.inbox import read_messages
from refusals import Refusal
from tests.support.contractor import Contractor, contact_of
from tests.support.interruption import (
    PROCESSES,
    Step,
    count_rows,
    eventually,
    held_in_transaction,
    process_of,
    repeat_while_away,
)
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1 import user_lookup_pb2

STEPS = (
    Step("begin", "certificate-registry", "challenge"),
    Step("log_in", "certificate-registry", "card_session"),
    Step("find", "qualification-registry", "search_counts"),
    Step("prepare", "contact-notification", "staged_registrations"),
    Step("register", "certificate-registry", "registration"),
    # After the commit, by the workers: contacts become active, mail is sent, the registration is propagated.
    Step("activate", "contact-notification", "contact_owners"),
    Step("mail", "contact-notification", "mails"),
    Step("plan", "agency-sync", "intentions"),
    Step("propagate", "agency-sync", "propagations"),
)
AFTER_THE_COMMIT = ("activate", "mail", "plan", "propagate")


@pytest.mark.requirement("REG-05")
@pytest.mark.parametrize("killed", PROCESSES)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
async def test_registration_is_complete_or_repeatable_after_a_kill(
    instance: RunningInstance, step: Step, killed: str
) -> None:
    contractor = instance.contractor()
    contractor.card_contact = contact_of("土木 一郎", mail_address=f"c{contractor.bidder_id}@contractor.example")
    process = process_of(instance, killed)

    interruption = await prepare_interruption(instance, contractor, step)
    async with interruption as action:
        process.kill()
    await process.restart()
    # Whatever the outcome of the step, its caller then repeats everything.
    await asyncio.gather(action, return_exceptions=True)
    await repeat_registration(instance, contractor)

    await assert_registered_once(instance, contractor)


async def prepare_interruption(
    instance: RunningInstance, contractor: Contractor, step: Step
) -> "AbstractAsyncContextManager[asyncio.Future[object]]":
    """Performs the steps before `step`; returns a context that runs it and holds it in its transaction."""
    before = ("begin", "log_in", "find", "prepare", "register")
    for name in before[: before.index(step.name) if step.name in before else len(before) - 1]:
        await getattr(contractor, name)()
    action: Callable[[], Awaitable[object]] = getattr(
        contractor, "register" if step.name in AFTER_THE_COMMIT else step.name
    )
    return held_in_transaction(instance, step, action)


async def repeat_registration(instance: RunningInstance, contractor: Contractor) -> None:
    """Does what a contractor does after a lost answer: requests the receipt, or repeats the registration."""

    async def repeat() -> None:
        again = instance.contractor(like=contractor)
        again.card_contact = contractor.card_contact
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

    await repeat_while_away(repeat)


async def assert_registered_once(instance: RunningInstance, contractor: Contractor) -> None:
    """Asserts one binding, registration and outcome, active contacts, one mail, and complete propagation."""
    card = contractor.card.sha256
    assert await count_rows(instance, "certificate-registry", "binding", card) == 1
    assert await count_rows(instance, "certificate-registry", "request_outcome", card) == 1
    assert (
        await count_rows(instance, "certificate-registry", "registration", card, f"agency = '{contractor.agency}'") == 1
    )
    for agency in instance.other_agencies(contractor):
        await eventually(partial(is_good_at, instance, contractor, agency))
    await eventually(partial(has_mail, instance, contractor))
    assert await count_rows(instance, "contact-notification", "contact_owners", card) == 1
    assert await count_rows(instance, "contact-notification", "staged_registrations", card, "state <> 'active'") == 0
    notices = [message for message in read_messages(instance.launched.inbox) if is_to(contractor, message)]
    message_ids = [message["Message-ID"] for message in notices]
    # A mail may arrive twice where the mail server's answer was lost, but then it is the same mail.
    assert len(set(message_ids)) == 1


async def is_good_at(instance: RunningInstance, contractor: Contractor, agency: str) -> bool:
    answer = await instance.resolve(contractor, agency)
    return answer.verdict == user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD


async def has_mail(instance: RunningInstance, contractor: Contractor) -> bool:
    return any(is_to(contractor, message) for message in read_messages(instance.launched.inbox))


def is_to(contractor: Contractor, message: EmailMessage) -> bool:
    return contractor.card_contact.mail_address in message["To"]
