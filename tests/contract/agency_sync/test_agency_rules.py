"""A registration reaches another agency only by that agency's own rule, held against what was proven (SYN-01)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from refusals.catalogue import explain
from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE, example_profile
from tests.support.services.agency_sync import (
    RunningAgencySync,
    agency_registration,
    card_state,
    running_agency_sync,
)
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.qualification.v1 import bidder_pb2

SAME = bidder_pb2.COMPANY_COMPARISON_SAME
UNREADABLE = bidder_pb2.COMPANY_COMPARISON_UNREADABLE
DIFFERENT = bidder_pb2.COMPANY_COMPARISON_DIFFERENT
NOT_COMPARED = bidder_pb2.COMPANY_COMPARISON_UNSPECIFIED
PROPAGATED = card_pb2.REGISTRATION_ORIGIN_PROPAGATION

DONE = ("DONE", "")
DIFFERS = ("REFUSED", "COMPANY_DIFFERS_FROM_CARD")
NEEDS_OFFICER = ("REFUSED", "COMPANY_NEEDS_OFFICER")
NO_PASSWORD = ("REFUSED", "PASSWORD_NOT_PROVEN")

# The password is asked by the agencies that require it, not by the category.
SEARCH_FIELDS = [
    {"field": field, "label": {"ja": field, "en": field}, "hint": {"ja": "", "en": ""}, "required": required}
    for field, required in (("name", True), ("bidder_id", True), ("password", False))
]
# Prefecture and town compare no company, the city requires the roster's; the village requires it and asks no password.
# The city takes the contract party's card only, the town the representative's too.
RULES: dict[str, dict[str, Any]] = {
    PREFECTURE: {"company_match": "off", "required_search_fields": ["password"]},
    CITY: {"company_match": "required", "holder": "contract_party", "required_search_fields": ["password"]},
    TOWN: {"company_match": "off", "holder": "or_representative", "required_search_fields": ["password"]},
    VILLAGE: {"company_match": "required"},
}


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    agencies = [agency.model_dump() | RULES[agency.code] for agency in example_profile().agencies]
    profile = example_profile(category={"search_fields": SEARCH_FIELDS}, agencies=agencies)
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, profile) as running:
        await running.qualify(PREFECTURE, CITY, TOWN, VILLAGE)
        yield running


@pytest.mark.requirement("SYN-01", "met")
@pytest.mark.parametrize(
    ("company", "at_city"),
    [(SAME, DONE), (DIFFERENT, DIFFERS), (UNREADABLE, NEEDS_OFFICER), (NOT_COMPARED, NEEDS_OFFICER)],
)
async def test_company_is_judged_by_the_other_agencys_rule(
    sync: RunningAgencySync,
    company: bidder_pb2.CompanyComparison.ValueType,
    at_city: tuple[str, str],
) -> None:
    registration_id = await sync.record(card_state(company=company))
    await sync.propagate()
    assert await sync.propagations(registration_id) == {CITY: at_city, TOWN: DONE, VILLAGE: at_city}
    expected = {agency for agency, state in ((CITY, at_city), (TOWN, DONE), (VILLAGE, at_city)) if state == DONE}
    assert sync.certificate_registry.agencies_of(registration_id) == expected


@pytest.mark.requirement("CRD-10")
@pytest.mark.parametrize(
    ("holder", "at_city", "at_town"),
    [
        ("CONTRACT_PARTY", DONE, DONE),
        ("REPRESENTATIVE", ("REFUSED", "HOLDER_NEEDS_OFFICER"), DONE),
        ("UNREADABLE", ("REFUSED", "HOLDER_NEEDS_OFFICER"), ("REFUSED", "HOLDER_NEEDS_OFFICER")),
        ("DIFFERENT", ("REFUSED", "HOLDER_NEEDS_OFFICER"), ("REFUSED", "HOLDER_NEEDS_OFFICER")),
        # Of a card whose holder nobody compared.
        ("NOT_COMPARED", ("REFUSED", "HOLDER_NEEDS_OFFICER"), ("REFUSED", "HOLDER_NEEDS_OFFICER")),
    ],
)
async def test_holder_is_judged_by_the_other_agencys_rule(
    sync: RunningAgencySync, holder: str, at_city: tuple[str, str], at_town: tuple[str, str]
) -> None:
    proven = bidder_pb2.HolderComparison.Value(f"HOLDER_COMPARISON_{holder}")
    registration_id = await sync.record(card_state(holder=proven))
    await sync.propagate()
    assert await sync.propagations(registration_id) == {CITY: at_city, TOWN: at_town, VILLAGE: DONE}


async def test_agency_that_compares_no_company_takes_every_card(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(agency=TOWN, company=DIFFERENT))
    await sync.propagate()
    assert (await sync.propagations(registration_id, agency=TOWN))[PREFECTURE] == DONE


@pytest.mark.requirement("SYN-01")
async def test_agency_that_asks_a_password_gets_only_cards_with_a_proven_one(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(agency=VILLAGE, password=False))
    await sync.propagate()
    assert await sync.propagations(registration_id, agency=VILLAGE) == {
        PREFECTURE: NO_PASSWORD,
        CITY: NO_PASSWORD,
        TOWN: NO_PASSWORD,
    }
    assert sync.certificate_registry.agencies_of(registration_id) == set()


async def test_agency_that_asks_no_password_takes_a_card_without_one(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(password=False))
    await sync.propagate()
    assert (await sync.propagations(registration_id))[VILLAGE] == DONE


async def test_bidder_without_qualification_is_told_so_first(sync: RunningAgencySync) -> None:
    await sync.qualify(PREFECTURE)
    registration_id = await sync.record(card_state(password=False, company=DIFFERENT))
    await sync.propagate()
    assert set((await sync.propagations(registration_id)).values()) == {("REFUSED", "BIDDER_NOT_QUALIFIED")}


async def test_card_that_is_registered_at_the_other_agency_passed_its_rule_there(sync: RunningAgencySync) -> None:
    at_city = agency_registration(CITY, origin=PROPAGATED, state=card_state_pb2.REGISTRATION_STATE_SUSPENDED)
    at_town = agency_registration(TOWN, origin=PROPAGATED, state=card_state_pb2.REGISTRATION_STATE_GOOD)
    at_village = agency_registration(VILLAGE, origin=PROPAGATED, state=card_state_pb2.REGISTRATION_STATE_REPLACED)
    state = card_state(company=DIFFERENT, more=[at_city, at_town, at_village])
    registration_id = await sync.record(state)
    await sync.propagate()
    assert await sync.propagations(registration_id) == {
        CITY: DONE,
        TOWN: DONE,
        VILLAGE: ("REFUSED", "CARD_NOT_GOOD"),
    }
    assert await sync.rows("SELECT target_id::text FROM propagations WHERE agency = 'town'") == [
        (at_town.registration_id,)
    ]


async def test_later_registration_with_a_password_is_propagated_where_the_first_was_refused(
    sync: RunningAgencySync,
) -> None:
    first = card_state(agency=VILLAGE, password=False)
    first_id = await sync.record(first)
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(first_id) == set()
    second = card_state_pb2.CardState()
    second.CopyFrom(first)
    second.version.number = 2
    second.proven.password = True
    added = second.registrations.add()
    added.CopyFrom(agency_registration(PREFECTURE))
    await sync.record(second)
    await sync.propagate()
    ((source, _), *_) = sync.certificate_registry.propagated
    assert source == added.registration_id
    assert {agency for _, agency in sync.certificate_registry.propagated} == {CITY, TOWN}


async def test_words_of_a_refused_propagation_need_the_agencys_name_only(sync: RunningAgencySync) -> None:
    cards = [card_state(company=DIFFERENT), card_state(company=UNREADABLE)]
    cards += [card_state(password=False), card_state(suspended=True)]
    cards.append(card_state(holder=bidder_pb2.HOLDER_COMPARISON_DIFFERENT))
    ids = [await sync.record(card) for card in cards]
    sync.certificate_registry.cards_not_good.add(cards[2].registrations[0].registration_id)
    await sync.propagate()
    reasons = {reason for one in ids for _, reason in (await sync.propagations(one)).values() if reason}
    assert reasons == {
        "COMPANY_DIFFERS_FROM_CARD",
        "COMPANY_NEEDS_OFFICER",
        "HOLDER_NEEDS_OFFICER",
        "PASSWORD_NOT_PROVEN",
        "CARD_NOT_GOOD",
        "PROPAGATION_SUSPENDED",
    }
    for reason in reasons:
        words = explain(reason, {"agency_ja": "川越市", "agency_en": "Kawagoe"})
        assert "―" not in f"{words.ja} {words.en}"
