"""Kill -9 of any process at any step of a change: it is made once, or it can be repeated."""

import asyncio
from functools import partial

import pytest

from operator_command.launcher.inbox import read_messages
from refusals import Refusal
from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import Contractor
from tests.support.interruption import (
    SERVICES,
    Step,
    count_rows,
    eventually,
    held_in_transaction,
    processes_of,
    repeat_while_away,
)
from tests.support.registered_contractor import mailbox_of
from tests.support.running_instance import RunningInstance
from toroku.contact.v1 import contact_pb2

STEPS = (
    Step("begin", "certificate-registry", "challenge"),
    Step("log_in", "certificate-registry", "card_session"),
    Step("look", "contact-notification", "contact_versions"),
    Step("prepare", "certificate-registry", "challenge"),
    # The two halves of the last step: the act is proven by one service, and committed by another.
    Step("submit", "certificate-registry", "challenge"),
    Step("submit", "contact-notification", "contact_changes"),
    # After the commit, by the worker.
    Step("mail", "contact-notification", "mails"),
)
CALLS = ("begin", "log_in", "look", "prepare", "submit")


@pytest.mark.parametrize("killed", SERVICES)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}-{step.service}")
async def test_change_is_made_once_or_repeatable_after_a_kill(
    instance: RunningInstance, step: Step, killed: str
) -> None:
    contractor = instance.contractor()
    contractor.card_contact = mailbox_of(contractor, "before")
    await contractor.whole()
    await instance.poll(partial(instance.contact, contractor, "card"), lambda found: found is not None)
    new_contact = mailbox_of(contractor, "after")
    change = ChangingContractor.of(contractor)

    async def act(name: str) -> object:
        if name == "prepare":
            change.type_in(card_contact=new_contact)
        return await getattr(change, name)()

    name = step.name if step.name in CALLS else CALLS[-1]
    for earlier in CALLS[: CALLS.index(name)]:
        await act(earlier)
    processes = processes_of(instance, killed)
    async with held_in_transaction(instance, step, partial(act, name)) as action:
        for process in processes:
            process.kill()
    for process in processes:
        await process.restart()
    # Whatever the outcome of the step, its caller then repeats everything.
    await asyncio.gather(action, return_exceptions=True)
    await repeat_change(change, new_contact)

    await assert_changed_once(instance, contractor, change, new_contact)


async def repeat_change(change: ChangingContractor, new_contact: contact_pb2.Contact) -> None:
    """Does what a contractor does after a lost answer: requests the receipt, or repeats the change."""

    async def repeat() -> None:
        await change.enter(resume=change.request_id)
        try:
            await change.receipt()
        except Refusal as refusal:
            if refusal.reason != "CHANGE_NOT_FOUND":
                raise
            await change.look()
            change.type_in(card_contact=new_contact)
            await change.prepare()
            await change.submit()

    await repeat_while_away(repeat)


async def assert_changed_once(
    instance: RunningInstance, contractor: Contractor, change: ChangingContractor, new_contact: contact_pb2.Contact
) -> None:
    """Asserts the new contact in one further version, one outcome, and a mail to both addresses."""
    card = contractor.card.sha256
    assert await instance.contact(contractor, "card") == new_contact
    assert await count_rows(instance, "contact-notification", "contact_changes", card) == 1
    registered = await change.look()
    assert registered.card_contact.version == 2
    for address in (contractor.card_contact.mail_address, new_contact.mail_address):
        await eventually(partial(_has_mail, instance, address))


async def _has_mail(instance: RunningInstance, address: str) -> bool:
    return any(
        address in str(message["To"]) and "変更" in str(message["Subject"])
        for message in read_messages(instance.launched.inbox)
    )
