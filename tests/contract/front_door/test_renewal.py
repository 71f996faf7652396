"""ICカード更新 at the front door: two cards, two log-ins, two acts, and one commit."""

from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import rfc8785
from google.protobuf.json_format import MessageToDict

from refusals import Refusal
from signed_acts.purpose import decode
from tests.support.contractor import altered
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, TOWN, WORKS, example_profile
from tests.support.peers.qualification_registry.card_approvals import NUMBER
from tests.support.renewing_contractor import RenewingContractor
from tests.support.services.front_door import COMPANY, RunningFrontDoor, running_front_door
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.frontdoor.v1 import renewal_pb2


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        yield running


async def renewing(front_door: RunningFrontDoor, *agencies: str, **changes: Any) -> RenewingContractor:
    """Returns a contractor whose old card is registered at the prefecture and at further agencies."""
    old = front_door.card()
    for agency in (PREFECTURE, *agencies):
        await front_door.contractor(old, agency=agency).whole()
    values: dict[str, Any] = {
        "old": old,
        "new": front_door.card(),
        "agency": PREFECTURE,
        "category": WORKS,
    }
    return RenewingContractor(channel=front_door.channel, **values | changes)


async def refused(step: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await step
    return caught.value.reason


def state_at(front_door: RunningFrontDoor, certificate_sha256: bytes, agency: str = PREFECTURE) -> int:
    registrations = front_door.cards.states[WORKS, certificate_sha256].registrations
    return next(each.state for each in registrations if each.agency == agency)


def hash_of(form: Any) -> bytes:
    """Returns the hash of a form, computed here as the interface describes it."""
    return sha256(rfc8785.dumps(MessageToDict(form, preserving_proto_field_name=True))).digest()


@pytest.mark.requirement("REN-01")
@pytest.mark.requirement("REN-03")
async def test_new_card_takes_the_place_of_the_old_one_at_this_agency(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door, CITY)
    result = await contractor.whole()
    assert result.request_id == contractor.request_id
    assert (result.registration.agency, result.registration.category) == (PREFECTURE, WORKS)
    assert (result.registration.bidder_id, result.registration.certificate_sha256) == (BIDDER, contractor.new.sha256)
    assert result.registration.origin == card_pb2.REGISTRATION_ORIGIN_RENEWAL
    assert result.old_card.certificate_sha256 == contractor.old.sha256
    assert result.new_card.certificate_sha256 == contractor.new.sha256
    assert result.history_digest
    assert state_at(front_door, contractor.old.sha256) == card_state_pb2.REGISTRATION_STATE_REPLACED
    assert state_at(front_door, contractor.old.sha256, CITY) == card_state_pb2.REGISTRATION_STATE_GOOD
    assert state_at(front_door, contractor.new.sha256) == card_state_pb2.REGISTRATION_STATE_GOOD


@pytest.mark.requirement("REN-01")
async def test_both_cards_are_returned_to_be_shown_before_the_new_one_signs(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door, CITY, TOWN)
    await contractor.enter()
    shown = await contractor.prepare(validate_only=True)
    assert (shown.purpose, shown.HasField("expires_at")) == (b"", False)
    assert (shown.old_card.certificate_sha256, shown.new_card.certificate_sha256) == (
        contractor.old.sha256,
        contractor.new.sha256,
    )
    assert shown.company.name == COMPANY
    assert list(shown.other_agencies) == [CITY, TOWN]
    assert front_door.cards.calls["CreateRenewalChallenge"] == 0
    (proven,) = front_door.bidders.renewals
    assert (proven.bidder_id, proven.certificate_sha256) == (BIDDER, contractor.new.sha256)
    assert proven.certificate_company_name == COMPANY


async def test_each_card_signs_for_exactly_the_other(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    await contractor.enter()
    await contractor.prepare()
    old, new = decode(contractor.succession.purpose), decode(contractor.prepared.purpose)
    key_sha256 = sha256(contractor.successor_key).digest()
    assert (old.role, old.certificate_sha256, old.successor_key_sha256) == ("old", contractor.old.sha256, key_sha256)
    assert (new.role, new.certificate_sha256, new.successor_key_sha256) == ("new", contractor.new.sha256, key_sha256)
    assert new.other_certificate_sha256 == contractor.old.sha256
    assert old.act is not None
    assert new.act is not None
    assert old.act.request_sha256 == hash_of(contractor.succession.form)
    assert new.act.request_sha256 == hash_of(contractor.prepared.form)
    assert contractor.prepared.form == renewal_pb2.RenewalForm(
        request_id=contractor.request_id,
        instance="example",
        agency=PREFECTURE,
        category=WORKS,
        bidder_id=BIDDER,
        certificate_sha256=contractor.new.sha256,
        old_certificate_sha256=contractor.old.sha256,
        successor_key=contractor.successor_key,
    )


@pytest.mark.requirement("REN-03")
@pytest.mark.requirement("REN-04")
@pytest.mark.parametrize(
    ("propagate", "japanese", "english"),
    [
        (True, "他の調達機関にも変更を自動反映します：例示市、例示町", "The other agencies follow: 例示市, 例示町"),
        (
            False,
            "他の調達機関には自動反映しません。現在使用しているICカードを引き続き使用します：例示市、例示町",
            "The other agencies do not follow. There the card in use stays registered: 例示市, 例示町",
        ),
    ],
)
async def test_lines_say_which_card_goes_and_what_becomes_of_the_other_agencies(
    front_door: RunningFrontDoor, propagate: bool, japanese: str, english: str
) -> None:
    contractor = await renewing(front_door, CITY, TOWN, propagate=propagate)
    result = await contractor.whole()
    assert result.propagate is propagate
    old, new = front_door.cards.renewal_lines
    old_serial = str(contractor.old.certificate.serial_number)
    new_serial = str(contractor.new.certificate.serial_number)
    assert any("1回限りの鍵" in line for line in old)
    assert any("10分間" in line for line in old)
    assert [line for line in old if old_serial in line]
    assert not [line for line in old if new_serial in line]
    assert [line for line in new if old_serial in line] != [line for line in new if new_serial in line]
    assert japanese in new
    assert english in new
    assert new.index(japanese) + len(new) // 2 == new.index(english)
    assert "更新すると、現在使用しているICカードは、この調達機関では直ちに使用できなくなります。" in new
    assert "連絡先は、現在使用しているICカードのものを引き継ぎます。" in new


async def test_repeated_renewal_returns_the_same_result_at_any_hour(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    first = await contractor.whole()
    front_door.clock.japan(21, 0)
    await contractor.log_in_new(resume=contractor.request_id)
    assert await contractor.renew() == first
    assert await contractor.result() == first
    assert front_door.cards.calls["Renew"] == 1


async def test_another_form_under_the_same_request_id_is_refused(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    await contractor.whole()

    def propagate(request: renewal_pb2.RenewRequest) -> None:
        request.form.propagate = True

    assert await refused(contractor.renew(propagate)) == "REQUEST_ID_REUSED"


def change_propagation(request: renewal_pb2.RenewRequest) -> None:
    request.form.propagate = not request.form.propagate


def change_bidder(request: renewal_pb2.RenewRequest) -> None:
    request.form.bidder_id = OTHER_BIDDER


def change_agency(request: renewal_pb2.RenewRequest) -> None:
    request.form.agency = CITY


def change_instance(request: renewal_pb2.RenewRequest) -> None:
    request.form.instance = "another"


def change_old_act(request: renewal_pb2.RenewRequest) -> None:
    request.old_act.purpose = altered(request.old_act.purpose, request_sha256="00" * 32)


def change_new_act(request: renewal_pb2.RenewRequest) -> None:
    request.new_act.purpose = altered(request.new_act.purpose, request_sha256="00" * 32)


@pytest.mark.parametrize(
    "change",
    [change_propagation, change_bidder, change_agency, change_instance, change_old_act, change_new_act],
)
async def test_form_that_the_cards_did_not_sign_is_refused(
    front_door: RunningFrontDoor, change: Callable[[renewal_pb2.RenewRequest], None]
) -> None:
    contractor = await renewing(front_door)
    await contractor.enter()
    await contractor.prepare()
    assert await refused(contractor.renew(change)) == "FORM_DIFFERS_FROM_ACT"
    assert front_door.cards.calls["Renew"] == 0


def exchange_key(request: renewal_pb2.RenewRequest) -> None:
    request.form.successor_key = bytes(32)


def exchange_signature(request: renewal_pb2.RenewRequest) -> None:
    request.successor_signature = bytes(64)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(exchange_key, "FORM_DIFFERS_FROM_ACT"), (exchange_signature, "SUCCESSOR_SIGNATURE_INVALID")],
)
async def test_card_that_the_successor_key_does_not_vouch_for_is_refused(
    front_door: RunningFrontDoor, change: Callable[[renewal_pb2.RenewRequest], None], reason: str
) -> None:
    contractor = await renewing(front_door)
    await contractor.enter()
    await contractor.prepare()
    assert await refused(contractor.renew(change)) == reason
    assert state_at(front_door, contractor.old.sha256) == card_state_pb2.REGISTRATION_STATE_GOOD


async def test_successor_key_of_another_length_is_refused(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    await contractor.log_in_old()
    assert await refused(contractor.prepare_succession(successor_key=bytes(31))) == "SUCCESSOR_KEY_INVALID"


async def test_cards_taken_for_each_other_are_refused(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    await contractor.enter()
    swapped = {"old_session_token": contractor.new_token, "new_session_token": contractor.old_token}
    assert await refused(contractor.prepare_succession(old_session_token=contractor.new_token)) == (
        "CARD_SESSION_FOR_ANOTHER_ROLE"
    )
    assert await refused(contractor.prepare(**swapped)) == "CARD_SESSION_FOR_ANOTHER_ROLE"
    assert await refused(contractor.result(new_session_token=contractor.old_token)) == "CARD_SESSION_FOR_ANOTHER_ROLE"


async def test_log_in_without_a_role_is_refused(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    role = card_pb2.CARD_ROLE_UNSPECIFIED
    assert await refused(contractor.log_in(contractor.old, role)) == "CARD_ROLE_INVALID"


async def test_old_card_has_to_be_registered_here_and_the_new_one_must_not(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    assert await refused(contractor.log_in(contractor.new, card_pb2.CARD_ROLE_OLD)) == "CARD_NOT_REGISTERED_HERE"
    assert await refused(contractor.log_in(contractor.old, card_pb2.CARD_ROLE_NEW)) == "CARD_ALREADY_REGISTERED"


async def test_card_replaced_meanwhile_is_replaced_once(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    rival = RenewingContractor(
        channel=front_door.channel, old=contractor.old, new=front_door.card(), agency=PREFECTURE, category=WORKS
    )
    for each in (contractor, rival):
        await each.enter()
        await each.prepare()
    await contractor.renew()
    # The winner's renewal ended every session of the old card.
    assert await refused(rival.renew()) in {"CARD_SESSION_UNKNOWN", "CARD_REPLACED"}
    assert await refused(rival.log_in_old()) == "CARD_REPLACED"


@pytest.mark.requirement("REN-02")
@pytest.mark.parametrize("reason", ["BIDDER_REAPPLIED", "BIDDER_AUTHORITY_TRANSFERRED", "BIDDER_MERGED"])
async def test_bidder_is_proven_anew_at_the_commit(front_door: RunningFrontDoor, reason: str) -> None:
    contractor = await renewing(front_door)
    await contractor.enter()
    await contractor.prepare()
    front_door.bidders.needs_officer = reason
    assert await refused(contractor.renew()) == reason
    assert front_door.cards.calls["Renew"] == 0


async def test_officer_is_asked_about_the_new_card(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    await contractor.enter()
    front_door.bidders.needs_officer = "HOLDER_NEEDS_OFFICER"
    assert await refused(contractor.prepare(validate_only=True)) == "HOLDER_NEEDS_OFFICER"
    assert await contractor.ask_for_approval("koji@contractor.example") == NUMBER
    (asked,) = front_door.approvals.asked_at_renewals
    assert (asked.bidder.bidder_id, asked.bidder.certificate_sha256) == (BIDDER, contractor.new.sha256)
    assert asked.mail_address == "koji@contractor.example"


@pytest.mark.requirement("ENT-05")
async def test_nothing_begins_outside_opening_hours_but_the_question_for_a_result(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    await contractor.enter()
    await contractor.prepare()
    front_door.clock.japan(20, 45)
    assert await refused(contractor.log_in_old()) == "OUTSIDE_OPENING_HOURS"
    assert await refused(contractor.log_in_new()) == "OUTSIDE_OPENING_HOURS"
    await contractor.log_in_new(resume=contractor.request_id)
    assert await refused(contractor.result()) == "RENEWAL_NOT_FOUND"


async def test_result_is_that_of_this_agency_and_request(front_door: RunningFrontDoor) -> None:
    contractor = await renewing(front_door)
    await contractor.whole()
    assert await refused(contractor.result(request_id=str(uuid4()))) == "RENEWAL_NOT_FOUND"
    assert await refused(contractor.result(request_id="1")) == "REQUEST_ID_INVALID"
    elsewhere = RenewingContractor(
        front_door.channel, contractor.old, contractor.new, CITY, WORKS, request_id=contractor.request_id
    )
    await elsewhere.log_in_new(resume=contractor.request_id)
    assert await refused(elsewhere.result()) == "RENEWAL_NOT_FOUND"
    assert await refused(contractor.result(category=GOODS)) == "CARD_SESSION_FOR_ANOTHER_CATEGORY"


@pytest.mark.requirement("REN-04")
@pytest.mark.parametrize(("propagation", "does"), [("at_once", True), ("none", False)])
async def test_what_nobody_chooses_is_what_the_instance_does(tmp_path: Path, propagation: str, does: bool) -> None:
    profile = example_profile(propagation=propagation, propagation_chosen_at=[])
    async with running_front_door(profile, tmp_path) as front_door:
        contractor = await renewing(front_door, propagate=does)
        await contractor.enter()
        assert await refused(contractor.prepare(propagate=not does)) == "RENEWAL_PROPAGATION_NOT_CHOSEN"
        await contractor.prepare()
        assert (await contractor.renew()).propagate is does


async def test_renewal_is_refused_where_it_is_not_offered(tmp_path: Path) -> None:
    async with running_front_door(example_profile(category={"operations": ["registration"]}), tmp_path) as front_door:
        contractor = await renewing(front_door)
        assert await refused(contractor.log_in_old()) == "OPERATION_NOT_OFFERED"
