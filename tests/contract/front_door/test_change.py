"""変更 over gRPC, with the other services as fakes (CHG-01 to CHG-03, CHG-05)."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from refusals import Refusal
from signed_acts.request import hash_canonical, write_canonical
from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import contact_of, signed
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, TOWN, WORKS, example_profile
from tests.support.services.front_door import COMPANY, RunningFrontDoor, running_front_door
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.frontdoor.v1 import change_pb2


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        yield running


@pytest.fixture
async def contractor(front_door: RunningFrontDoor) -> ChangingContractor:
    return await front_door.register(front_door.contractor())


async def see(contractor: ChangingContractor) -> None:
    await contractor.enter()
    await contractor.look()


def state_of(front_door: RunningFrontDoor, contractor: ChangingContractor) -> card_state_pb2.CardState:
    state = front_door.cards.find_state(WORKS, contractor.card.sha256)
    assert state is not None
    return state


@pytest.mark.requirement("CHG-01")
async def test_change_from_what_is_registered_to_the_receipt(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    contractor.card_contact.person_name = "土木 次郎"
    contractor.card_contact.telephone = "048-000-0009"
    contractor.representative_contact.mail_address = "shin-daihyo@contractor.example"
    prepared = await contractor.prepare()
    assert prepared.changed_fields == [
        "card_contact.person_name",
        "card_contact.telephone",
        "representative_contact.mail_address",
    ]
    assert (prepared.company.name, prepared.card.certificate_sha256) == (COMPANY, contractor.card.sha256)
    assert prepared.expires_at.seconds - front_door.clock.now.timestamp() == 5 * 60
    receipt = await contractor.submit()
    assert (receipt.request_id, receipt.agency, receipt.category) == (contractor.request_id, PREFECTURE, WORKS)
    assert (receipt.company.name, receipt.card.serial_decimal) == (COMPANY, prepared.card.serial_decimal)
    assert receipt.card_contact == contractor.card_contact
    assert receipt.representative_contact == contractor.representative_contact
    assert receipt.changed_fields == prepared.changed_fields
    assert receipt.HasField("counts_from")
    assert receipt.propagate
    assert len(receipt.history_digest) == 32
    # contact-notification got the form as the card's act has its hash, and the act itself.
    (commit,) = front_door.contacts.commits
    assert commit.form == write_canonical(prepared.form)
    assert json.loads(prepared.purpose)["request_sha256"] == hash_canonical(prepared.form).hex()
    assert commit.act.purpose == prepared.purpose
    assert commit.company.name == COMPANY


@pytest.mark.requirement("CHG-05")
async def test_what_is_registered_is_shown(front_door: RunningFrontDoor, contractor: ChangingContractor) -> None:
    state = state_of(front_door, contractor)
    for agency, registration in (
        (CITY, card_state_pb2.REGISTRATION_STATE_GOOD),
        (TOWN, card_state_pb2.REGISTRATION_STATE_REPLACED),
    ):
        state.registrations.add(registration_id=str(uuid4()), agency=agency, state=registration)
    front_door.contacts.agencies_with_earlier_contacts = [CITY, TOWN]
    await contractor.enter()
    registered = await contractor.look()
    assert (registered.company.bidder_id, registered.company.name) == (BIDDER, COMPANY)
    assert registered.card.certificate_sha256 == contractor.card.sha256
    assert registered.card_contact.contact == contact_of("土木 一郎")
    assert registered.card_contact.version == 1
    assert registered.card_contact.brought_by == contractor.card.sha256
    assert registered.representative_contact.contact.person_name == "代表 花子"
    assert registered.registration.agency == PREFECTURE
    assert (registered.registration.category, registered.registration.bidder_id) == (WORKS, BIDDER)
    assert registered.registration.origin == card_pb2.REGISTRATION_ORIGIN_CONTRACTOR
    # Not where it was replaced: nobody is let in there with it.
    assert registered.other_agencies == [CITY]
    assert registered.agencies_with_earlier_contacts == [CITY]


async def test_card_without_representative_contact_shows_none(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    del front_door.contacts.versions[BIDDER, WORKS]
    await contractor.enter()
    assert not (await contractor.look()).HasField("representative_contact")


@pytest.mark.requirement("CHG-01")
async def test_only_the_contact_that_changes_is_in_the_form(contractor: ChangingContractor) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    form = (await contractor.prepare()).form
    assert form.card_contact == contractor.card_contact
    assert (form.card_contact_version, form.representative_contact_version) == (1, 0)
    assert not form.HasField("representative_contact")
    assert (form.instance, form.agency, form.category, form.bidder_id) == ("example", PREFECTURE, WORKS, BIDDER)
    assert (form.request_id, form.certificate_sha256) == (contractor.request_id, contractor.card.sha256)


@pytest.mark.requirement("CHG-01")
@pytest.mark.requirement("CHG-03")
async def test_act_names_the_fields_that_change_and_no_value(contractor: ChangingContractor) -> None:
    await see(contractor)
    contractor.card_contact.person_name = "新任 次郎"
    contractor.representative_contact.mail_address = "shin@contractor.example"
    purpose = json.loads((await contractor.prepare()).purpose)
    assert (purpose["operation"], purpose["type"], purpose["bidder_id"]) == ("change", "act", BIDDER)
    text = "\n".join(purpose["lines"])
    assert "このICカードのみの変更：ICカード利用部署情報（person_name）" in text
    assert "全てのICカードに共通の変更：代表窓口情報（mail_address）" in text
    assert "既に提出した競争参加資格申請書等の参加申請書の連絡先には、反映されません。" in text
    assert "受け付けた時点から有効になります" in text
    for value in ("新任", "shin@contractor.example", "土木", "daihyo@contractor.example"):
        assert value not in text


@pytest.mark.requirement("CHG-02")
@pytest.mark.parametrize(
    ("propagate", "said"),
    [(True, "他の調達機関にも、同時に反映されます。"), (False, "他の調達機関には反映されません。")],
)
async def test_user_chooses_whether_the_other_agencies_follow(
    contractor: ChangingContractor, propagate: bool, said: str
) -> None:
    await see(contractor)
    contractor.propagate = propagate
    contractor.card_contact.fax = "048-000-0007"
    prepared = await contractor.prepare()
    assert prepared.form.propagate is propagate
    assert said in "".join(json.loads(prepared.purpose)["lines"])
    assert (await contractor.submit()).propagate is propagate


@pytest.mark.requirement("CHG-02")
@pytest.mark.parametrize(("propagation", "propagates"), [("at_once", True), ("none", False)])
async def test_where_nothing_is_chosen_the_instance_decides(tmp_path: Path, propagation: str, propagates: bool) -> None:
    profile = example_profile(propagation=propagation, propagation_chosen_at=["renewal"])
    async with running_front_door(profile, tmp_path) as front_door:
        contractor = await front_door.register(front_door.contractor())
        await see(contractor)
        contractor.card_contact.fax = "048-000-0007"
        contractor.propagate = not propagates
        with pytest.raises(Refusal, match="CHANGE_PROPAGATION_NOT_CHOSEN"):
            await contractor.prepare()
        contractor.propagate = propagates
        await contractor.prepare()
        assert (await contractor.submit()).propagate is propagates


async def test_change_without_a_difference_is_refused(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    with pytest.raises(Refusal, match="NOTHING_CHANGED"):
        await contractor.prepare()
    assert front_door.cards.calls["CreateChangeChallenge"] == 0


async def test_contact_that_somebody_changed_meanwhile_is_refused_with_who_and_when(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    front_door.contacts.add_version((BIDDER, WORKS), contact_of("代表 二郎"), brought_by=bytes(32))
    contractor.representative_contact.fax = "048-000-0007"
    with pytest.raises(Refusal, match="CONTACT_CHANGED_MEANWHILE") as refused:
        await contractor.prepare()
    assert refused.value.metadata["section"] == "representative_contact"
    assert refused.value.metadata["changed_by"] == "another_card"
    assert refused.value.metadata["changed_at"]


async def test_dry_run_checks_the_form_and_makes_no_act(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    contractor.card_contact.telephone = "電話"

    def validate_only(request: change_pb2.PrepareChangeRequest) -> None:
        request.validate_only = True

    with pytest.raises(Refusal, match="FIELDS_INVALID") as refused:
        await contractor.prepare(validate_only)
    assert [violation.field for violation in refused.value.violations] == ["card_contact.telephone"]
    contractor.card_contact.telephone = "048-000-0009"
    prepared = await contractor.prepare(validate_only)
    assert prepared.changed_fields == ["card_contact.telephone"]
    assert (prepared.purpose, prepared.HasField("expires_at")) == (b"", False)
    assert front_door.cards.change_requests == []


async def test_lost_answer_is_repeated_with_the_same_receipt_at_any_hour(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    receipt = await contractor.submit()
    front_door.clock.japan(21, 0)
    # In a session that was opened to resume it; the old act is as good as any.
    await contractor.enter(resume=contractor.request_id)
    assert await contractor.submit() == receipt
    assert await contractor.receipt() == receipt
    assert front_door.cards.calls["ProveAct"] == 1
    assert len(front_door.contacts.commits) == 1


async def test_act_whose_commit_did_not_come_about_is_signed_anew_under_the_same_request(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    act = signed(contractor.card, contractor.prepared.purpose)
    # The proof's answer was lost, and its nonce is used up.
    front_door.cards.challenges.pop(act.purpose)
    with pytest.raises(Refusal, match="CHALLENGE_USED"):
        await contractor.submit(act)
    with pytest.raises(Refusal, match="CHANGE_NOT_FOUND"):
        await contractor.receipt()
    await contractor.prepare()
    assert (await contractor.submit()).request_id == contractor.request_id


async def test_same_act_sent_twice_at_one_time_makes_one_change(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    results = await asyncio.gather(contractor.submit(), contractor.submit(), return_exceptions=True)
    receipts = [result for result in results if isinstance(result, change_pb2.ChangeReceipt)]
    assert receipts
    assert all(receipt == receipts[0] for receipt in receipts)
    assert all(isinstance(each, change_pb2.ChangeReceipt | Refusal) for each in results)
    assert len(front_door.contacts.changes) == 1
    assert await contractor.submit() == receipts[0]


async def test_another_form_under_the_same_request_is_refused(contractor: ChangingContractor) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    await contractor.submit()
    await contractor.look()
    contractor.card_contact.fax = "048-000-0008"
    await contractor.prepare()
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await contractor.submit()


@pytest.mark.parametrize(
    "name", ["card_contact.fax", "propagate", "card_contact_version", "agency", "bidder_id", "instance", "category"]
)
async def test_form_that_the_card_did_not_sign_is_refused_before_its_act_is_used_up(
    front_door: RunningFrontDoor, contractor: ChangingContractor, name: str
) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()

    def alter(request: change_pb2.SubmitChangeRequest) -> None:
        *path, key = name.split(".")
        part = getattr(request.form, path[0]) if path else request.form
        other = {"propagate": False, "card_contact_version": 7}.get(key, "048-000-0099")
        setattr(part, key, other)

    with pytest.raises(Refusal, match="FORM_DIFFERS_FROM_ACT"):
        await contractor.submit(alter=alter)
    assert front_door.cards.calls["ProveAct"] == 0
    assert (await contractor.submit()).changed_fields == ["card_contact.fax"]


async def test_form_of_another_place_is_refused_even_with_its_act(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    state_of(front_door, contractor).registrations.add(
        registration_id=str(uuid4()), agency=CITY, state=card_state_pb2.REGISTRATION_STATE_GOOD
    )
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    contractor.agency = CITY
    await contractor.enter()
    with pytest.raises(Refusal, match="FORM_DIFFERS_FROM_ACT"):
        await contractor.submit()


@pytest.mark.requirement("ENT-05")
async def test_change_may_be_finished_in_the_grace_after_closing_and_not_later(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    front_door.clock.japan(19, 58)
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    front_door.clock.japan(20, 7)
    await contractor.prepare()
    front_door.clock.japan(20, 11)
    for step in (contractor.look, contractor.prepare, contractor.submit):
        with pytest.raises(Refusal, match="OUTSIDE_OPENING_HOURS"):
            await step()
    with pytest.raises(Refusal, match="OUTSIDE_OPENING_HOURS"):
        await contractor.begin()
    front_door.clock.japan(20, 9)
    assert (await contractor.submit()).changed_fields == ["card_contact.fax"]


async def test_session_of_a_change_is_kept_while_a_form_is_filled_in(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    registering = front_door.contractor(contractor.card)
    registering.session_token = contractor.session_token
    front_door.clock.now += timedelta(minutes=9)
    await registering.check_session(operation=card_pb2.OPERATION_CHANGE)
    front_door.clock.now += timedelta(minutes=9)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_OPERATION"):
        await registering.check_session()


async def test_card_that_is_not_registered_here_opens_no_session(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    contractor.agency = CITY
    await contractor.begin()
    with pytest.raises(Refusal, match="CARD_NOT_REGISTERED_HERE"):
        await contractor.log_in()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (card_state_pb2.REGISTRATION_STATE_REPLACED, "CARD_REPLACED"),
        (card_state_pb2.REGISTRATION_STATE_SUSPENDED, "CARD_SUSPENDED"),
        (card_state_pb2.REGISTRATION_STATE_ENDED, "CARD_BINDING_ENDED"),
    ],
)
async def test_card_that_stopped_being_good_meanwhile_changes_nothing(
    front_door: RunningFrontDoor,
    contractor: ChangingContractor,
    state: "card_state_pb2.RegistrationState.ValueType",
    reason: str,
) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    state_of(front_door, contractor).registrations[0].state = state
    for step in (contractor.look, contractor.prepare, contractor.submit):
        with pytest.raises(Refusal, match=reason):
            await step()
    assert front_door.contacts.commits == []


@pytest.mark.parametrize("reason", ["BIDDER_NOT_QUALIFIED", "BIDDER_ENDED", "BIDDER_SUSPENDED"])
async def test_bidder_that_may_not_act_changes_nothing(
    front_door: RunningFrontDoor, contractor: ChangingContractor, reason: str
) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    front_door.bidders.no_company[BIDDER] = reason
    for step in (contractor.look, contractor.prepare, contractor.submit):
        with pytest.raises(Refusal, match=reason):
            await step()
    # The act is not used up by it.
    assert front_door.cards.calls["ProveAct"] == 0


async def test_receipt_of_another_place_is_not_found(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    state_of(front_door, contractor).registrations.add(
        registration_id=str(uuid4()), agency=CITY, state=card_state_pb2.REGISTRATION_STATE_GOOD
    )
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    await contractor.prepare()
    await contractor.submit()
    contractor.agency = CITY
    await contractor.enter()
    with pytest.raises(Refusal, match="CHANGE_NOT_FOUND"):
        await contractor.receipt()


@pytest.mark.parametrize("request_id", ["", "not a UUID", "x" * 300])
async def test_request_id_has_to_be_a_uuid(contractor: ChangingContractor, request_id: str) -> None:
    await see(contractor)
    contractor.card_contact.fax = "048-000-0007"
    contractor.request_id = request_id
    for step in (contractor.prepare, contractor.receipt):
        with pytest.raises(Refusal, match="REQUEST_ID_INVALID"):
            await step()


async def test_what_is_too_long_is_named_before_anybody_is_asked(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    await see(contractor)
    contractor.card_contact.person_name = "長" * 301
    calls = dict(front_door.contacts.calls)
    with pytest.raises(Refusal, match="FIELDS_INVALID") as refused:
        await contractor.prepare()
    (violation,) = refused.value.violations
    assert (violation.field, violation.reason) == ("change.card_contact.person_name", "FIELD_TOO_LONG")
    assert front_door.contacts.calls == calls


@pytest.mark.requirement("ENT-04")
async def test_second_category_is_changed_by_itself(
    front_door: RunningFrontDoor, contractor: ChangingContractor
) -> None:
    goods = await front_door.register(front_door.contractor(contractor.card, category=GOODS))
    await see(goods)
    goods.representative_contact.fax = "048-000-0007"
    await goods.prepare()
    await goods.submit()
    await see(contractor)
    assert contractor.registered.representative_contact.version == 1
    assert contractor.registered.representative_contact.contact.fax == contact_of("").fax
    await see(goods)
    assert goods.registered.representative_contact.version == 2
