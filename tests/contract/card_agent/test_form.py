"""The form as a contractor fills it in: contacts taken over, fields corrected, another company searched for."""

from pathlib import Path

import pytest

from card_agent.console.person import Answer
from tests.support.example_profile import BIDDER, OTHER_BIDDER, example_profile
from tests.support.office import CONTACT, Office, replace_person
from tests.support.services.front_door import COMPANY, PASSWORD, running_front_door

DONE = "done"


async def test_card_contact_takes_over_the_typed_representative_contact(office: Office) -> None:
    office.person.takes_over = True
    result = await office.register()
    assert office.person.offered == ["card_contact"]
    assert not [path for path in office.person.asked if path.startswith("card_contact.")]
    assert result.receipt.card_contact == result.receipt.representative_contact
    assert result.receipt.card_contact.person_name == "代表 花子"


async def test_card_contact_takes_over_the_representative_contact_known_before(office: Office) -> None:
    await office.register()
    staged = next(iter(office.server.contacts.staged.values()))
    office.server.contacts.representatives[BIDDER, "works"] = staged.representative_contact.contact
    second = Office(office.server, office.unfinished.directory)
    second.person.takes_over = True
    result = await second.register()
    assert result.receipt.card_contact.person_name == "代表 花子"


async def test_taken_over_values_can_be_corrected(office: Office) -> None:
    corrections = {"correction": ["card_contact.telephone", "card_contact.person_name", DONE]}
    replace_person(office, **corrections, **{"card_contact.telephone": "048-000-0099"})
    office.person.takes_over = True
    office.person.confirmations = [Answer.BACK]
    result = await office.register()
    assert result.receipt.card_contact.telephone == "048-000-0099"
    assert result.receipt.representative_contact.telephone == CONTACT["telephone"]
    asked = [path for path in office.person.asked if path.startswith("card_contact.")]
    assert asked == ["card_contact.telephone", "card_contact.person_name"]


async def test_wrong_company_is_corrected_by_another_search(office: Office) -> None:
    office.server.bidders.add(OTHER_BIDDER, COMPANY, PASSWORD)
    replace_person(office, correction="search", **{"search.bidder_id": [OTHER_BIDDER, BIDDER]})
    office.person.confirmations = [Answer.BACK]
    result = await office.register()
    assert result.receipt.registration.bidder_id == BIDDER
    # What was typed into the form is kept.
    assert office.person.asked.count("card_contact.department") == 1
    assert office.signatures == 2


async def test_person_in_charge_is_asked_for_once_and_signed(office: Office) -> None:
    replace_person(office, person_in_charge="高砂　太郎")
    result = await office.register()
    assert office.person.asked.count("person_in_charge") == 1
    assert office.person.value("登録先", "担当者") == "高砂　太郎"
    assert result.receipt.person_in_charge == "高砂　太郎"


async def test_too_long_person_in_charge_is_asked_for_again(office: Office) -> None:
    replace_person(office, person_in_charge=["長" * 21, "高砂"])
    office.person.tries_again = lambda _refusal: True
    assert (await office.register()).receipt.person_in_charge == "高砂"
    assert [violation.field for violation in office.person.refused[0].violations] == ["person_in_charge"]
    assert office.person.asked.count("person_in_charge") == 2


async def test_correction_offers_each_field_the_search_and_an_end(office: Office) -> None:
    replace_person(office, correction=DONE)
    office.person.confirmations = [Answer.BACK]
    await office.register()
    fields = [f"{section}.{name}" for section in ("representative_contact", "card_contact") for name in CONTACT]
    assert office.person.chosen_from["correction"] == [
        *fields,
        "person_in_charge",
        "predecessor_serial",
        "search",
        DONE,
    ]


@pytest.mark.parametrize("reason", ["BIDDER_SUSPENDED", "TOO_MANY_TRIES", "CARD_BOUND_TO_ANOTHER_BIDDER"])
async def test_no_other_try_is_offered_where_none_helps(office: Office, reason: str) -> None:
    office.proxy.refuse("FindBidder", reason)
    office.person.tries_again = lambda _refusal: True
    assert (await office.refused()).reason == reason
    assert office.person.refused == []


@pytest.mark.requirement("REG-04")
async def test_one_field_is_corrected_and_the_others_are_kept(office: Office) -> None:
    corrections = {"correction": ["card_contact.person_name", "done"]}
    replace_person(office, **corrections, **{"card_contact.person_name": ["土木 一郎", "建築 次郎"]})
    office.person.confirmations = [Answer.BACK]
    result = await office.register()
    assert result.receipt.card_contact.person_name == "建築 次郎"
    assert office.person.asked.count("card_contact.person_name") == 2
    assert office.person.asked.count("card_contact.telephone") == 1


@pytest.mark.requirement("REG-02")
async def test_both_differing_mail_addresses_are_asked_for_again(tmp_path: Path) -> None:
    async with running_front_door(example_profile(category={"mail_address_typed_twice": True}), tmp_path) as server:
        office = Office(server, tmp_path)
        again = {
            f"{section}.mail_address_again": CONTACT["mail_address"]
            for section in ("card_contact", "representative_contact")
        }
        replace_person(
            office, **again, **{"card_contact.mail_address": ["koji@wrong.example", CONTACT["mail_address"]]}
        )
        office.person.tries_again = lambda _refusal: True
        result = await office.register()
        assert office.person.asked.count("card_contact.mail_address") == 2
        assert office.person.asked.count("card_contact.mail_address_again") == 2
        assert result.receipt.card_contact.mail_address == CONTACT["mail_address"]
