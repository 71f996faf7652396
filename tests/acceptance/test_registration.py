"""登録 on the Saitama profile over gRPC, from the first request to the look-ups of all agencies."""

import asyncio
from functools import partial

import pytest

from refusals import Refusal
from tests.support.contractor import contact_of
from tests.support.running_instance import COMPANY_COMPARED_AT, RunningInstance
from toroku.certificate.v1 import card_pb2 as certificate
from toroku.certificate.v1 import user_lookup_pb2
from toroku.frontdoor.v1.registration_pb2 import PrepareRegistrationRequest

GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD
NOT_REGISTERED = user_lookup_pb2.ResolveUserResponse.VERDICT_NOT_REGISTERED


def dry_run(request: PrepareRegistrationRequest) -> None:
    request.validate_only = True


def dry_run_without_card_contact(request: PrepareRegistrationRequest) -> None:
    request.validate_only = True
    request.ClearField("card_contact")


@pytest.mark.requirement("REG-01")
@pytest.mark.requirement("REG-06")
@pytest.mark.requirement("REG-08")
@pytest.mark.requirement("SYN-02")
@pytest.mark.requirement("SYN-08")
async def test_registered_card_is_good_at_its_agency_at_once(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    assert (await instance.resolve(contractor)).verdict == NOT_REGISTERED

    receipt = await contractor.whole()

    answer = await instance.resolve(contractor)
    assert (answer.verdict, answer.bidder_id) == (GOOD, contractor.bidder_id)
    assert receipt.registration.bidder_id == contractor.bidder_id
    assert receipt.company.bidder_id == contractor.bidder_id
    assert receipt.card.company_name == contractor.company_name
    assert receipt.card_contact == contractor.card_contact
    assert receipt.representative_contact == contractor.representative_contact


@pytest.mark.requirement("SYN-01")
async def test_registration_is_propagated_to_all_agencies_where_the_bidder_is_qualified(
    instance: RunningInstance,
) -> None:
    contractor = instance.contractor()
    await contractor.whole()
    elsewhere = instance.other_agencies(contractor)
    assert elsewhere

    for agency in elsewhere:
        answer = await instance.poll(
            partial(instance.resolve, contractor, agency), lambda answer: answer.verdict == GOOD
        )
        assert answer.bidder_id == contractor.bidder_id
    for agency in instance.agencies_without(contractor):
        assert (await instance.resolve(contractor, agency)).verdict == NOT_REGISTERED


@pytest.mark.requirement("REG-07")
async def test_mails_go_to_card_contact_and_representative_contact(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    contractor.card_contact = contact_of("埼玉 太郎", mail_address=f"card-{contractor.bidder_id}@contractor.example")
    contractor.representative_contact = contact_of(
        "代表 花子", mail_address=f"daihyo-{contractor.bidder_id}@contractor.example"
    )
    await contractor.whole()

    mail = await instance.mail_to(contractor.card_contact.mail_address)
    text = mail.get_body().get_content()  # type: ignore[union-attr]
    assert mail["Subject"] == "利用者登録のお知らせ"
    for part in (instance.agency_name(contractor.agency), contractor.company_name, "埼玉 太郎", "返信しないでください"):
        assert part in text
    assert await instance.mail_to(contractor.representative_contact.mail_address)


@pytest.mark.requirement("CRD-06")
async def test_registered_card_is_refused_at_log_in(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.whole()

    again = instance.contractor(like=contractor)
    await again.begin()
    with pytest.raises(Refusal, match="CARD_ALREADY_REGISTERED"):
        await again.log_in()


@pytest.mark.requirement("CRD-06")
async def test_card_cannot_serve_a_second_bidder(instance: RunningInstance) -> None:
    first = instance.contractor()
    await first.whole()
    elsewhere = next(agency for agency in instance.agencies_without(first) if agency != COMPANY_COMPARED_AT)
    second = instance.contractor(card=first.card, agency=elsewhere)
    await second.enter()
    with pytest.raises(Refusal, match="CARD_BOUND_TO_ANOTHER_BIDDER"):
        await second.find()


@pytest.mark.requirement("CRD-07")
@pytest.mark.requirement("REG-03")
async def test_spare_card_is_registered_without_a_representative_contact(
    instance: RunningInstance,
) -> None:
    first = instance.contractor()
    await first.whole()
    spare = instance.contractor(bidder=instance.bidder_of(first))
    await spare.enter()
    # A worker activates the contacts moments after the commit.
    found = await instance.poll(spare.find, lambda found: not found.representative_contact_wanted)
    assert found.representative_contact == first.representative_contact
    await spare.prepare()
    await spare.register()

    for contractor in (first, spare):
        assert (await instance.resolve(contractor)).bidder_id == first.bidder_id


@pytest.mark.requirement("ENT-04")
async def test_card_is_registered_separately_in_two_categories(instance: RunningInstance) -> None:
    works = instance.contractor()
    await works.whole()
    # An agency that does not compare the company: the roster of goods has another bidder.
    goods = instance.contractor(card=works.card, agency=instance.profile.agencies[0].code, category="goods")
    assert (await instance.resolve(goods)).verdict == NOT_REGISTERED
    await goods.whole()

    assert (await instance.resolve(works)).bidder_id == works.bidder_id
    assert (await instance.resolve(goods)).bidder_id == goods.bidder_id


@pytest.mark.requirement("REG-05")
async def test_repeated_request_registers_once_and_returns_the_same_receipt(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()
    await contractor.prepare()

    first, second = await asyncio.gather(contractor.register(), contractor.register())
    third = await contractor.register()

    assert first == second == third


@pytest.mark.requirement("REG-05")
async def test_lost_receipt_is_available_in_a_new_session_of_the_same_card(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    receipt = await contractor.whole()

    again = instance.contractor(like=contractor)
    await again.begin(resume=again.request_id)
    session = await again.log_in(resume=again.request_id)
    assert session.standing == certificate.CARD_STANDING_REGISTERED_HERE
    assert await again.receipt() == receipt
    with pytest.raises(Refusal, match="CARD_ALREADY_REGISTERED"):
        await again.find()


@pytest.mark.requirement("REG-09")
async def test_dry_run_checks_the_form_and_stores_nothing(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()

    tried = await contractor.prepare(dry_run)
    assert tried.purpose == b""
    assert tried.company.name == contractor.company_name
    assert tried.card.serial_decimal == str(contractor.card.certificate.serial_number)
    with pytest.raises(Refusal, match="FIELDS_INVALID"):
        await contractor.prepare(dry_run_without_card_contact)

    # Nothing was stored, so the same request id may be used with other content.
    contractor.card_contact = contact_of("変更 次郎")
    await contractor.prepare()
    assert (await contractor.register()).card_contact.person_name == "変更 次郎"


@pytest.mark.requirement("REG-09")
async def test_act_states_the_binding_in_plain_words(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()
    act = instance.read_purpose((await contractor.prepare()).purpose)

    assert act["bidder_id"] == contractor.bidder_id
    assert act["certificate_sha256"] == contractor.card.sha256.hex()
    words = "\n".join(act["lines"])
    for part in (
        contractor.bidder_id,
        contractor.company_name,
        str(contractor.card.certificate.serial_number),
        instance.agency_name(contractor.agency),
    ):
        assert part in words


@pytest.mark.requirement("REG-10")
async def test_e_bidding_system_gets_a_contact_by_purpose(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.whole()

    for purpose, expected in (("card", contractor.card_contact), ("representative", contractor.representative_contact)):
        found = await instance.poll(partial(instance.contact, contractor, purpose), lambda found: found is not None)
        assert found == expected


@pytest.mark.requirement("ENT-01")
@pytest.mark.requirement("ENT-02")
@pytest.mark.requirement("ENT-03")
@pytest.mark.requirement("CRD-10")
async def test_instance_describes_its_agencies_and_categories(instance: RunningInstance) -> None:
    description = await instance.contractor().describe()
    assert [category.code for category in description.categories] == ["works", "goods"]
    by_code = {agency.code: agency for agency in description.agencies}
    assert by_code["saitama-prefecture"].name.ja == "埼玉県"
    assert list(by_code["saitama-prefecture"].categories) == ["works", "goods"]
    assert any(list(agency.categories) == ["works"] for agency in description.agencies)
    assert all(rules.holder_rule.ja for agency in description.agencies for rules in agency.rules)
    assert description.help_desk.name.ja
