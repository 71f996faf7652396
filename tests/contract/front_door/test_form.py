"""What a contractor typed and what the roster has reach form, act, staging and receipt whole."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785
from google.protobuf.json_format import MessageToDict

from refusals import Refusal
from signed_acts.request import hash_canonical
from tests.support.example_profile import BIDDER, example_profile
from tests.support.full_message import fill_message
from tests.support.services.front_door import COMPANY, RunningFrontDoor, running_front_door
from toroku.frontdoor.v1.registration_pb2 import PrepareRegistrationRequest
from toroku.qualification.v1.bidder_pb2 import CompanyProfile

PERSON = "髙﨑　花子"


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        yield running


def name_person(request: PrepareRegistrationRequest) -> None:
    """Names the person in charge."""
    request.person_in_charge = PERSON


@pytest.mark.requirement("QUA-07")
async def test_every_field_of_the_company_profile_reaches_form_and_receipt(front_door: RunningFrontDoor) -> None:
    company = fill_message(CompanyProfile())
    company.bidder_id, company.name = BIDDER, COMPANY
    front_door.bidders.companies[BIDDER] = company
    contractor = front_door.contractor()
    await contractor.enter()
    assert (await contractor.find()).company == company
    assert (await contractor.prepare()).company == company
    assert (await contractor.register()).company == company
    assert (await contractor.receipt()).company == company


@pytest.mark.requirement("REG-09")
@pytest.mark.requirement("REG-06")
async def test_person_in_charge_is_signed_and_on_the_receipt(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    prepared = await contractor.prepare(name_person)
    assert prepared.form.person_in_charge == PERSON
    purpose = front_door.cards.challenges[prepared.purpose]
    canonical = rfc8785.dumps(MessageToDict(prepared.form, preserving_proto_field_name=True))
    assert f'"person_in_charge":"{PERSON}"'.encode() in canonical
    assert purpose["request_sha256"] == sha256(canonical).hexdigest()
    assert f"担当者：{PERSON}" in purpose["lines"]
    assert f"Person in charge: {PERSON}" in purpose["lines"]
    assert (await contractor.register()).person_in_charge == PERSON
    assert (await contractor.receipt()).person_in_charge == PERSON


async def test_form_without_a_person_in_charge_is_hashed_as_before_the_field_existed(
    front_door: RunningFrontDoor,
) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    prepared = await contractor.prepare()
    canonical = rfc8785.dumps(MessageToDict(prepared.form, preserving_proto_field_name=True))
    assert b"person_in_charge" not in canonical
    purpose = front_door.cards.challenges[prepared.purpose]
    assert purpose["request_sha256"] == sha256(canonical).hexdigest()
    assert not any("担当者" in line or "in charge" in line for line in purpose["lines"])


async def test_too_long_person_in_charge_is_refused_at_its_field(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    with pytest.raises(Refusal, match="FIELDS_INVALID") as caught:
        await contractor.prepare(lambda request: setattr(request, "person_in_charge", "埼" * 21))
    assert [violation.field for violation in caught.value.violations] == ["person_in_charge"]
    assert front_door.stored_counts()[0] == 0


async def test_expired_card_before_this_one_is_signed_and_passed_on(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor(predecessor_serial="224231109942")
    await contractor.enter()
    await contractor.find()
    # A search names none yet.
    assert front_door.cards.named_predecessors == [("CheckRegistrable", "")]
    await contractor.prepare(lambda request: setattr(request, "validate_only", True))
    prepared = await contractor.prepare()
    assert prepared.form.predecessor_serial == "224231109942"
    purpose = front_door.cards.challenges[prepared.purpose]
    assert purpose["request_sha256"] == hash_canonical(prepared.form).hex()
    assert "期限切れとなった以前のICカード：証明書シリアル番号224231109942" in purpose["lines"]
    await contractor.register()
    assert front_door.cards.named_predecessors[1:] == [
        (call, "224231109942") for call in ("CheckRegistrable", "CreateActChallenge", "Register")
    ]


async def test_expired_card_that_was_not_signed_is_not_passed_on(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor(predecessor_serial="224231109942")
    await contractor.enter()
    await contractor.find()
    await contractor.prepare()
    contractor.predecessor_serial = "224231109943"
    with pytest.raises(Refusal, match="PREDECESSOR_DIFFERS_FROM_ACT"):
        await contractor.register()
    assert not [call for call, _ in front_door.cards.named_predecessors if call == "Register"]


async def test_serial_number_that_no_certificate_has_is_refused_at_its_field(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor(predecessor_serial="1" * 61)
    await contractor.enter()
    await contractor.find()
    with pytest.raises(Refusal, match="FIELDS_INVALID") as caught:
        await contractor.prepare()
    assert [violation.field for violation in caught.value.violations] == ["predecessor_serial"]
