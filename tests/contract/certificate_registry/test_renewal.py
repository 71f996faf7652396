"""ICカード更新: what the commit writes, and that a request has one outcome (REN-01 to REN-04)."""

from datetime import timedelta
from uuid import uuid4

import pytest

from refusals import Refusal
from tests.support.contractor import altered, signed
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, TOWN, WORKS
from tests.support.services.card_renewal import Answer, Renewal, renew
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.statements import counted_statements
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.contact.v1 import contact_pb2
from toroku.qualification.v1 import bidder_pb2

GOOD, REPLACED, UNKNOWN = Answer.VERDICT_GOOD, Answer.VERDICT_CARD_REPLACED, Answer.VERDICT_NOT_REGISTERED
MINUTE = timedelta(minutes=1)


@pytest.mark.every_postgresql
@pytest.mark.requirement("REN-03")
@pytest.mark.requirement("SYN-08")
async def test_new_card_takes_the_old_ones_place_at_once(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    renewal = await Renewal.of(registry, old).prepare()
    assert await renewal.verdicts(PREFECTURE) == (GOOD, UNKNOWN)
    renewed = await renewal.commit()
    new = renewal.new.card.sha256
    registration = renewed.registration
    assert registration.origin == card_pb2.REGISTRATION_ORIGIN_RENEWAL
    assert (registration.agency, registration.category, registration.bidder_id) == (PREFECTURE, WORKS, BIDDER)
    assert registration.certificate_sha256 == renewed.new_card.certificate_sha256 == new
    assert renewed.old_card.certificate_sha256 == old.card.sha256
    assert not renewed.propagate
    of_old, of_new = await registry.resolve(renewal.old), await registry.resolve(renewal.new)
    assert (of_old.verdict, of_old.replaced_by, of_old.bidder_id, of_old.predecessor) == (REPLACED, new, "", b"")
    assert (of_new.verdict, of_new.predecessor, of_new.bidder_id) == (GOOD, old.card.sha256, BIDDER)
    assert of_new.replaced_by == b""
    assert await registry.rows(
        "SELECT certificate_sha256, ended_as, ended_because, began_because FROM binding ORDER BY number, began_because"
    ) == [(old.card.sha256, "closed", "renewal", "registration"), (new, None, None, "renewal")]


@pytest.mark.requirement("REN-04")
async def test_old_card_stays_good_at_the_other_agencies(registry: RunningCertificateRegistry) -> None:
    old, registration = await registry.register_new()
    await registry.propagate({CITY: [registration.registration_id]})
    renewal, _ = await renew(registry, old)
    assert await renewal.verdicts(PREFECTURE) == (REPLACED, GOOD)
    assert await renewal.verdicts(CITY) == (GOOD, UNKNOWN)
    # It goes on as a card of its bidder there, and is renewed there too, by the same card.
    assert await registry.rows("SELECT count(*) FROM binding WHERE ended_at IS NULL") == [(2,)]
    await renew(registry, old, renewal.new.card, agency=CITY)
    assert await renewal.verdicts(CITY) == (REPLACED, GOOD)
    assert await registry.rows("SELECT count(*) FROM binding WHERE ended_at IS NULL") == [(1,)]


async def test_suspension_elsewhere_keeps_the_old_binding_alive(registry: RunningCertificateRegistry) -> None:
    old, registration = await registry.register_new()
    await registry.propagate({CITY: [registration.registration_id]})
    await registry.execute(f"UPDATE registration SET state = 'suspended', reason = 'x' WHERE agency = '{CITY}'")  # noqa: S608
    renewal, _ = await renew(registry, old)
    assert await renewal.verdicts(CITY) == (Answer.VERDICT_CARD_SUSPENDED, UNKNOWN)
    assert await registry.rows("SELECT count(*) FROM binding WHERE ended_at IS NULL") == [(2,)]


async def test_card_registered_at_another_agency_can_take_an_old_ones_place(
    registry: RunningCertificateRegistry,
) -> None:
    old, _ = await registry.register_new()
    new, there = await registry.register_new(agency=CITY)
    renewal, renewed = await renew(registry, old, new.card)
    assert renewed.registration.registration_id != there.registration_id
    assert await renewal.verdicts(PREFECTURE) == (REPLACED, GOOD)
    assert await renewal.verdicts(CITY) == (UNKNOWN, GOOD)
    assert await registry.rows("SELECT number, began_because FROM binding WHERE ended_at IS NULL") == [
        (1, "registration")
    ]


async def test_password_of_the_old_card_stays_proven_and_the_comparison_is_of_the_new_one(
    registry: RunningCertificateRegistry,
) -> None:
    of_old = bidder_pb2.Proven(
        password=True,
        company=bidder_pb2.COMPANY_COMPARISON_SAME,
        holder=bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY,
    )
    old, _ = await registry.register_new(proven=of_old)
    renewal = Renewal.of(registry, old)
    renewal.new.proven = bidder_pb2.Proven(
        password=False,
        company=bidder_pb2.COMPANY_COMPARISON_UNREADABLE,
        holder=bidder_pb2.HOLDER_COMPARISON_REPRESENTATIVE,
    )
    await (await renewal.prepare()).commit()
    assert await registry.rows("SELECT password_proven, company, holder FROM binding WHERE ended_at IS NULL") == [
        (True, "unreadable", "representative")
    ]


async def test_both_states_are_delivered_together(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    await registry.run_jobs()
    registry.agency_sync.card_states.clear()
    renewal, renewed = await renew(registry, old, propagate=True)
    await registry.run_jobs()
    (message,) = registry.agency_sync.card_states
    states = {state.certificate_sha256: state for state in message}
    of_old, of_new = states[old.card.sha256], states[renewal.new.card.sha256]
    assert (of_old.version.number, of_new.version.number) == (2, 1)
    assert (of_old.binding, of_old.binding_reason) == (card_state_pb2.BINDING_STATE_CLOSED, "renewal")
    assert of_old.registrations[0].state == card_state_pb2.REGISTRATION_STATE_REPLACED
    assert (of_old.registrations[0].reason, of_old.registrations[0].predecessor) == ("renewal", b"")
    assert of_old.registrations[0].replaced_by == renewal.new.card.sha256
    (registration,) = of_new.registrations
    assert registration.registration_id == renewed.registration.registration_id
    assert registration.origin == card_pb2.REGISTRATION_ORIGIN_RENEWAL
    assert (registration.predecessor, registration.replaced_by) == (old.card.sha256, b"")
    assert (registration.request_id, registration.request_sha256) == (renewal.request_id, renewal.request_sha256)
    assert not registration.stays_here
    further, _ = await renew(registry, renewal.new)
    await registry.run_jobs()
    (newest,) = [
        state for state in registry.agency_sync.card_states[-1] if state.certificate_sha256 == further.new.card.sha256
    ]
    assert newest.registrations[0].stays_here


async def test_history_has_an_entry_under_each_card_with_the_act_that_it_signed(
    registry: RunningCertificateRegistry,
) -> None:
    old, _ = await registry.register_new()
    renewal, renewed = await renew(registry, old)
    rows = await registry.rows(
        "SELECT what, who, certificate_sha256, request_id, digest, details::json -> 'after', "
        "decode(details::json -> 'act' ->> 'purpose', 'base64') FROM history_entry JOIN history_details USING (number) "
        "WHERE what IN ('renewed', 'replaced') ORDER BY number"
    )
    (what, who, card, _, digest, after, purpose), of_old = rows
    new = renewal.new.card.sha256
    assert (what, who, card) == ("renewed", f"card {new.hex()}", new)
    assert (digest, purpose) == (renewed.history_digest, renewal.new_act.purpose)
    assert after["predecessor_card"] == old.card.sha256.hex()
    assert after["successor_key"] == renewal.successor_key.hex()
    assert after["successor_signature"] == renewal.successor_signature.hex()
    assert of_old[:3] == ("replaced", f"card {old.card.sha256.hex()}", old.card.sha256)
    assert of_old[5:] == ({"replaced_by": {PREFECTURE: new.hex()}}, renewal.old_act.purpose)


@pytest.mark.requirement("REN-01")
async def test_new_cards_contact_is_told_and_so_are_the_bidders_others(registry: RunningCertificateRegistry) -> None:
    colleague, _ = await registry.register_new()
    old, _ = await registry.register_new()
    await registry.run_jobs()
    registry.contact_notification.notices.clear()
    renewal, renewed = await renew(registry, old, propagate=True)
    await registry.run_jobs()
    notices = {notice.kind: notice for notice in registry.contact_notification.notices}
    to_card, to_others = contact_pb2.NOTICE_KIND_RENEWAL, contact_pb2.NOTICE_KIND_RENEWAL_NOTICE
    assert set(notices) == {to_card, to_others}
    new = renewal.new.card
    assert [one.owner.certificate_sha256 for one in notices[to_card].recipients] == [new.sha256]
    representative, *cards = [one.owner for one in notices[to_others].recipients]
    assert representative.bidder_id == BIDDER
    assert {one.certificate_sha256 for one in cards} == {old.card.sha256, colleague.card.sha256}
    assert notices[to_card].entry.digest == renewed.history_digest
    assert (
        notices[to_card].renewal
        == notices[to_others].renewal
        == contact_pb2.RenewalFacts(
            registration_id=renewed.registration.registration_id,
            request_id=renewal.request_id,
            certificate_sha256=new.sha256,
            old_certificate_sha256=old.card.sha256,
            serial_decimal=str(new.certificate.serial_number),
            old_serial_decimal=str(old.card.certificate.serial_number),
            agency=PREFECTURE,
            category=WORKS,
            bidder_id=BIDDER,
            happened_at=renewed.registration.registered_at,
            holder_name="登録 太郎",
            propagate=True,
        )
    )


async def test_same_request_again_has_the_same_outcome(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    renewal, renewed = await renew(registry, old)
    assert await renewal.commit() == renewed
    # The old card's session has ended with the renewal; the new card's answer was lost and it logs in again.
    with pytest.raises(Refusal, match="CARD_SESSION_UNKNOWN"):
        await registry.check(renewal.old)
    registry.pass_time(61 * MINUTE)
    await registry.log_in(renewal.new, resume=renewal.request_id)
    assert await renewal.commit(old_session_token="gone", proof=bidder_pb2.BidderProof()) == renewed
    other = signed(renewal.new.card, altered(renewal.new_act.purpose, request_sha256="00" * 32))
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await renewal.commit(new_act=other)
    assert await registry.rows("SELECT count(*) FROM registration WHERE origin = 'renewal'") == [(1,)]


async def test_result_can_be_read_with_the_receipt_of_the_history(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    renewal, renewed = await renew(registry, old)
    assert await renewal.read() == renewed
    await registry.seal()
    read = await renewal.read()
    assert read.history_receipt
    read.history_receipt = ""
    assert read == renewed
    for other in (Renewal.of(registry, old, renewal.new.card), Renewal.of(registry, old)):
        with pytest.raises(Refusal, match="RENEWAL_NOT_FOUND"):
            await other.read()
    # A registration under the same id is no renewal.
    with pytest.raises(Refusal, match="RENEWAL_NOT_FOUND"):
        await Renewal.of(registry, renewal.old, old.card, request_id=old.request_id).read()
    assert (await registry.outcome(Visit(renewal.new.card, request_id=str(uuid4())))).outcome == 1


async def test_check_alone_returns_no_act(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    renewal = Renewal.of(registry, old)
    await renewal.sign_old()
    await registry.log_in(renewal.new)
    checked = await renewal.create_act(validate_only=True, request_sha256=b"", successor_key_sha256=b"", lines=())
    assert (checked.purpose, checked.HasField("expires_at")) == (b"", False)


async def test_old_cards_act_waits_ten_minutes_for_the_swap(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    renewal = Renewal.of(registry, old)
    await renewal.sign_old()
    registry.pass_time(9 * MINUTE)
    await registry.log_in(renewal.new)
    await renewal.sign_new()
    await renewal.commit()
    late = Renewal.of(registry, renewal.new)
    await late.sign_old()
    registry.pass_time(9 * MINUTE)
    await registry.check(late.old)
    registry.pass_time(2 * MINUTE)
    await registry.log_in(late.new)
    await late.sign_new()
    with pytest.raises(Refusal, match="CHALLENGE_EXPIRED"):
        await late.commit()


async def test_commit_takes_as_many_statements_as_a_registration(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    renewal = await Renewal.of(registry, old).prepare()
    with counted_statements() as statements:
        await renewal.commit()
    # Both sessions and cards, what is known of them, the outcome, the history, what is written, the jobs.
    assert len(statements) == 6
    other = await registry.prepare(Visit(registry.card(), agency=TOWN))
    with counted_statements() as of_registration:
        await registry.register(other)
    assert len(of_registration) == 6
