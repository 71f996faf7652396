"""Notices: who is told of a registration, once, whatever fails."""

from datetime import timedelta
from uuid import UUID

import pytest

from certificate_registry.store import registrations
from history.reading import find_receipt
from history.receipt import Receipt
from history.receipt_text import encode_receipt
from refusals import Refusal
from servicekit import jobs
from tests.support.example_profile import CITY, GOODS, OTHER_BIDDER, WORKS
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.certificate.v1 import card_pb2
from toroku.contact.v1 import contact_pb2

TO_CARD, TO_OTHERS = contact_pb2.NOTICE_KIND_REGISTRATION, contact_pb2.NOTICE_KIND_REGISTRATION_NOTICE


def of_card(visit: Visit, request_id: str = "") -> contact_pb2.NoticeRecipient:
    """Returns the owner of a card contact as a recipient."""
    return contact_pb2.NoticeRecipient(
        owner=contact_pb2.ContactOwner(
            purpose=contact_pb2.CONTACT_PURPOSE_CARD,
            category=visit.category,
            certificate_sha256=visit.card.sha256,
            request_id=request_id,
        )
    )


def of_representative(visit: Visit) -> contact_pb2.NoticeRecipient:
    """Returns the owner of a representative contact as a recipient."""
    return contact_pb2.NoticeRecipient(
        owner=contact_pb2.ContactOwner(
            purpose=contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE, category=visit.category, bidder_id=visit.bidder_id
        )
    )


def facts(visit: Visit, registration: card_pb2.Registration) -> contact_pb2.RegistrationFacts:
    """Returns what the notices of a registration say."""
    return contact_pb2.RegistrationFacts(
        registration_id=registration.registration_id,
        request_id=visit.request_id,
        certificate_sha256=visit.card.sha256,
        serial_decimal=str(visit.card.certificate.serial_number),
        agency=visit.agency,
        category=visit.category,
        bidder_id=visit.bidder_id,
        registered_at=registration.registered_at,
        holder_name="登録 太郎",
    )


async def send_notices(
    registry: RunningCertificateRegistry,
) -> dict["contact_pb2.NoticeKind.ValueType", contact_pb2.Notice]:
    """Runs all waiting jobs; returns the new notices by kind, of one registration."""
    registry.contact_notification.notices.clear()
    await registry.run_jobs()
    assert len(registry.contact_notification.notices) == 2
    return {notice.kind: notice for notice in registry.contact_notification.notices}


async def test_only_what_was_handed_over_counts_as_sent(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    await registry.execute(
        "WITH orphan AS (INSERT INTO notice (notice_id, kind, registration_id, history_number, written_at) "
        "VALUES (gen_random_uuid(), 'registration', gen_random_uuid(), 1, now()) RETURNING notice_id) "
        "UPDATE jobs.procrastinate_jobs SET args = jsonb_set(args, '{arguments,notice_ids}', "
        "args #> '{arguments,notice_ids}' || to_jsonb(orphan.notice_id)) FROM orphan WHERE task_name = 'send_notices'"
    )
    await send_notices(registry)
    assert await registry.rows("SELECT count(*) FROM notice WHERE sent_at IS NULL") == [(1,)]


@pytest.mark.requirement("REG-07")
async def test_registration_has_a_notice_to_its_contact_and_one_to_the_others(
    registry: RunningCertificateRegistry,
) -> None:
    visit, registration = await registry.register_new()
    first = await send_notices(registry)
    assert list(first[TO_CARD].recipients) == [of_card(visit, visit.request_id)]
    assert list(first[TO_OTHERS].recipients) == [of_representative(visit)]
    for notice in first.values():
        assert notice.registration == facts(visit, registration)
    # The bidder's other cards are told in every category; another bidder's are not.
    await registry.register_new(bidder_id=OTHER_BIDDER)
    in_goods, _ = await registry.register_new(category=GOODS)
    await registry.run_jobs()
    second, _ = await registry.register_new()
    notices = await send_notices(registry)
    assert list(notices[TO_CARD].recipients) == [of_card(second, second.request_id)]
    assert notices[TO_OTHERS].recipients[0] == of_representative(second)
    assert sorted(
        (recipient.owner.category, recipient.owner.certificate_sha256)
        for recipient in notices[TO_OTHERS].recipients[1:]
    ) == sorted([(GOODS, in_goods.card.sha256), (WORKS, visit.card.sha256)])
    assert len({notice.notice_id for notice in [*first.values(), *notices.values()]}) == 4


@pytest.mark.requirement("REG-07")
async def test_cards_whose_binding_ended_are_not_told(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    await registry.end_binding("closed", "transfer")
    await registry.run_jobs()
    visit, _ = await registry.register_new()
    assert list((await send_notices(registry))[TO_OTHERS].recipients) == [of_representative(visit)]


async def test_notices_wait_for_the_seal_of_their_entry_and_show_it(registry: RunningCertificateRegistry) -> None:
    _, registration = await registry.register_new()
    ids = [str(row[0]) for row in await registry.rows("SELECT notice_id FROM notice")]
    send = registry.work.tasks["send_notices"][0]
    ((delay,),) = await registry.rows(
        "SELECT extract(epoch FROM scheduled_at - now())::int FROM jobs.procrastinate_jobs "
        "WHERE task_name = 'send_notices'"
    )
    assert 1 <= delay <= 3, "the seal comes two seconds after the commit"
    assert await send({"notice_ids": ids}) == jobs.Later(timedelta(seconds=2))
    assert registry.contact_notification.notices == []
    await registry.seal()
    assert await send({"notice_ids": ids}) == []
    receipt = await find_receipt_of(registry, registration.registration_id)
    assert [notice.entry for notice in registry.contact_notification.notices] == [
        contact_pb2.ActEntry(
            registry="certificate-registry",
            digest=receipt.entry,
            position=receipt.position,
            head_number=receipt.head.number,
            head_sha256=receipt.head.hash,
            proof=encode_receipt(receipt),
        )
    ] * 2


async def test_notices_that_waited_for_a_minute_go_with_the_digest_alone(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    ids = [str(row[0]) for row in await registry.rows("SELECT notice_id FROM notice")]
    await registry.execute("UPDATE notice SET written_at = now() - interval '61 seconds'")
    await registry.run_task("send_notices", notice_ids=ids)
    ((digest,),) = await registry.rows("SELECT digest FROM history_entry WHERE what = 'registered'")
    assert [notice.entry for notice in registry.contact_notification.notices] == [
        contact_pb2.ActEntry(registry="certificate-registry", digest=digest)
    ] * 2


async def find_receipt_of(registry: RunningCertificateRegistry, registration_id: str) -> Receipt:
    """Returns the proof of a registration's entry."""
    async with registry.database.read() as connection:
        _, entry = await registrations.read_registration(connection, UUID(registration_id))
        receipt = await find_receipt(connection, entry.number)
    assert receipt is not None
    return receipt


async def test_states_that_merge_merge_no_notices(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    _, second = await registry.register_new(visit.card, agency=CITY)
    await registry.run_jobs()
    told = {(notice.kind, notice.registration.registration_id) for notice in registry.contact_notification.notices}
    ids = (first.registration_id, second.registration_id)
    assert told == {(kind, registration_id) for kind in (TO_CARD, TO_OTHERS) for registration_id in ids}


async def test_propagation_sends_no_notice(registry: RunningCertificateRegistry) -> None:
    _, registration = await registry.register_new()
    await registry.run_jobs()
    await registry.propagate({CITY: [registration.registration_id]})
    assert "send_notices" not in await registry.jobs_waiting()


async def test_job_holds_the_ids_of_its_notices_only(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    rows = await registry.rows(
        "SELECT queue_name, args -> 'arguments' FROM jobs.procrastinate_jobs WHERE task_name = 'send_notices'"
    )
    ids = {str(row[0]) for row in await registry.rows("SELECT notice_id FROM notice")}
    ((queue, arguments),) = rows
    assert (queue, arguments.keys(), set(arguments["notice_ids"])) == ("notices", {"notice_ids"}, ids)


async def test_notice_whose_answer_was_lost_is_handed_over_again_under_its_id(
    registry: RunningCertificateRegistry,
) -> None:
    _, registration = await registry.register_new()

    def lose() -> None:
        raise Refusal("PEER_FAILED")

    registry.contact_notification.before_answer = lose
    await registry.seal()
    ids = [str(row[0]) for row in await registry.rows("SELECT notice_id FROM notice")]
    with pytest.raises(Refusal, match="PEER_FAILED"):
        await registry.run_task("send_notices", notice_ids=ids)
    registry.contact_notification.before_answer = None
    assert await registry.rows("SELECT count(*) FROM notice WHERE sent_at IS NULL") == [(2,)]
    await registry.run_jobs()
    handed_over = [notice.notice_id for notice in registry.contact_notification.notices]
    assert sorted(handed_over) == sorted(ids * 2)
    # A job that is run again after its success does nothing.
    await registry.run_task("send_notices", notice_ids=ids)
    assert len(registry.contact_notification.notices) == 4
    assert registry.contact_notification.notices[0].registration.registration_id == registration.registration_id


async def test_notices_are_handed_over_together_and_a_refused_one_comes_to_stand_alone(
    registry: RunningCertificateRegistry,
) -> None:
    await registry.register_new()
    await registry.run_jobs()
    assert registry.contact_notification.calls["SendNotices"] == 1
    await registry.register_new()
    unsent = "SELECT notice_id FROM notice WHERE sent_at IS NULL ORDER BY notice_id"
    refused, _ = [str(row[0]) for row in await registry.rows(unsent)]
    registry.contact_notification.refused_notices.add(refused)
    await registry.run_jobs()
    with pytest.raises(Refusal, match="NOTICE_INVALID"):
        await registry.run_jobs()
    assert [str(row[0]) for row in await registry.rows(unsent)] == [refused]


async def test_sent_notices_are_deleted_after_a_day(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    registry.pass_time(timedelta(days=2))
    await registry.run_task("delete_sessions")
    assert await registry.rows("SELECT count(*) FROM notice") == [(2,)], "they are not sent yet"
    # When they were sent is the database's own time.
    registry.pass_time(timedelta(days=-2))
    await registry.run_jobs()
    await registry.run_task("delete_sessions")
    assert await registry.rows("SELECT count(*) FROM notice") == [(2,)]
    registry.pass_time(timedelta(days=1, minutes=1))
    await registry.run_task("delete_sessions")
    assert await registry.rows("SELECT count(*) FROM notice") == [(0,)]
