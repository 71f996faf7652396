"""Kill -9 of any process at any step of a renewal: it is carried out once, or it can be repeated."""

import asyncio
from functools import partial

import pytest

from refusals import Refusal
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
from tests.support.renewing_contractor import RenewingContractor
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1 import user_lookup_pb2

GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD
REPLACED = user_lookup_pb2.ResolveUserResponse.VERDICT_CARD_REPLACED

STEPS = (
    # Each log-in is two calls.
    Step("log_in_old", "certificate-registry", "challenge"),
    Step("log_in_old", "certificate-registry", "card_session"),
    Step("prepare_succession", "certificate-registry", "challenge"),
    Step("log_in_new", "certificate-registry", "challenge"),
    Step("log_in_new", "certificate-registry", "card_session"),
    Step("prepare", "certificate-registry", "challenge"),
    Step("renew", "certificate-registry", "registration"),
    # After the commit, by the workers: contacts carry over, mail is sent, the other agencies follow.
    Step("carry over", "contact-notification", "contact_versions"),
    Step("mail", "contact-notification", "mails"),
    Step("plan", "agency-sync", "intentions"),
    Step("propagate", "agency-sync", "propagations"),
)
CALLS = ("log_in_old", "prepare_succession", "log_in_new", "prepare", "renew")


@pytest.mark.parametrize("killed", SERVICES)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}-{step.table}")
async def test_renewal_is_carried_out_once_or_repeatable_after_a_kill(
    instance: RunningInstance, step: Step, killed: str
) -> None:
    contractor = instance.contractor()
    contractor.card_contact = mailbox_of(contractor, "kept")
    await contractor.whole()
    # The renewal reaches the agencies at which the old card is good.
    for agency in instance.other_agencies(contractor):
        await eventually(partial(_is_good_at, instance, contractor, agency))
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor))
    name = step.name if step.name in CALLS else CALLS[-1]
    for earlier in CALLS[: CALLS.index(name)]:
        await getattr(renewal, earlier)()
    processes = processes_of(instance, killed)
    async with held_in_transaction(instance, step, getattr(renewal, name)) as action:
        for process in processes:
            process.kill()
    for process in processes:
        await process.restart()
    # Whatever the outcome of the step, its caller then repeats everything.
    await asyncio.gather(action, return_exceptions=True)
    await repeat_renewal(contractor, renewal)

    await assert_renewed_once(instance, contractor, renewal)


async def repeat_renewal(contractor: Contractor, renewal: RenewingContractor) -> None:
    """Does what a contractor does after a lost answer: requests the result, or starts over with both cards."""

    async def repeat() -> None:
        again = RenewingContractor.of(contractor, renewal.new, request_id=renewal.request_id)
        await again.log_in_new(resume=again.request_id)
        try:
            await again.result()
        except Refusal as refusal:
            if refusal.reason != "RENEWAL_NOT_FOUND":
                raise
            await again.whole()

    await repeat_while_away(repeat)


async def assert_renewed_once(instance: RunningInstance, contractor: Contractor, renewal: RenewingContractor) -> None:
    """Asserts one outcome and one registration of the new card at each agency, and the contact that it carried over."""
    old, new = contractor.card.sha256, renewal.new.sha256
    assert await count_rows(instance, "certificate-registry", "request_outcome", new) == 1
    assert await count_rows(instance, "certificate-registry", "binding", new) == 1
    for agency in (contractor.agency, *instance.other_agencies(contractor)):
        await eventually(partial(_is_good_at, instance, contractor, agency, renewal))
        answer = await instance.resolve(contractor, agency)
        assert (answer.verdict, answer.replaced_by) == (REPLACED, new)
        assert await count_rows(instance, "certificate-registry", "registration", new, f"agency = '{agency}'") == 1
    assert await count_rows(instance, "certificate-registry", "binding", old, "ended_at IS NOT NULL") == 1
    renewed = instance.contractor(card=renewal.new, bidder=instance.bidder_of(contractor))
    await instance.poll(partial(instance.contact, renewed, "card"), lambda found: found == contractor.card_contact)
    assert await instance.mail_to(contractor.card_contact.mail_address, about="更新")


async def _is_good_at(
    instance: RunningInstance, contractor: Contractor, agency: str, renewal: RenewingContractor | None = None
) -> bool:
    answer = await instance.resolve(contractor, agency, renewal.new if renewal else None)
    return answer.verdict == GOOD
