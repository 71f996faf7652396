"""Officers act for their own agency only (rosters, bidders, passwords); the operator's officers for every one."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from refusals import Refusal
from refusals.status import from_rpc_error
from tests.support.example_profile import CITY, GOODS, PREFECTURE, TOWN, VILLAGE, WORKS
from tests.support.services.example_rosters import mapping, roster, roster_profile, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import Officer, list_questions
from toroku.qualification.v1 import qualification_registry_pb2

EVERYWHERE, IN_CITY, IN_TOWN, LATER_IN_CITY = (f"100000000{number}" for number in range(1, 5))
CITY_ROSTER, TOWN_ROSTER, OPERATORS_ROSTER, GOODS_ROSTER = "city", "town", "operators", "goods"
PASSWORDS = "SELECT category, bidder_id, encoded FROM passwords ORDER BY 1, 2"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    listed = {"bidder_id": "業者番号", "agencies_column": "調達機関", "valid_from": "期間開始"}
    profile = roster_profile(
        roster_mappings=[
            mapping(CITY_ROSTER, **listed, valid_until="期間終了", responsible_agency=CITY),
            mapping(TOWN_ROSTER, bidder_id="業者番号", agencies=[TOWN], responsible_agency=TOWN),
            mapping(OPERATORS_ROSTER, bidder_id="業者番号", agencies=[VILLAGE], responsible_agency="operator"),
            mapping(
                GOODS_ROSTER, bidder_id="業者番号", agencies=[PREFECTURE], responsible_agency=PREFECTURE, category=GOODS
            ),
        ]
    )
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path, profile) as running:
        await running.city_officer.import_roster(
            roster(
                row(EVERYWHERE, "株式会社市", agencies="例示県、例示市、例示町", address="市の支店"),
                row(IN_CITY, agencies="例示市"),
                row(LATER_IN_CITY, agencies="例示市", valid_from="2027-04-01", valid_until="2028-03-31"),
                row("1000000005", agencies="例示市", valid_until="2026-11-26"),
            ),
            CITY_ROSTER,
        )
        town_roster = roster(row(EVERYWHERE, "株式会社町", address="町の支店"), row(IN_TOWN))
        await running.operators_officer.import_roster(town_roster, TOWN_ROSTER)
        yield running


async def list_bidders(
    officer: Officer, agency: str, category: str = WORKS, **page: Any
) -> dict[str, tuple[str, list[str]]]:
    """Returns name and agencies of the listed bidders by id. Raises Refusal."""
    request = qualification_registry_pb2.ListBiddersRequest(agency=agency, category=category, **page)
    try:
        response = await officer.asynchronous.ListBidders(request)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None
    return {bidder.bidder_id: (bidder.name, list(bidder.agencies)) for bidder in response.bidders}


async def refuse(call: Any) -> str:
    """Returns the reason why a call is refused."""
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.reason


async def test_list_has_the_bidders_of_the_agency_only(registry: RunningQualificationRegistry) -> None:
    everywhere = [CITY, PREFECTURE, TOWN]
    assert await list_bidders(registry.city_officer, CITY) == {
        EVERYWHERE: ("株式会社市", everywhere),
        IN_CITY: ("株式会社見本建設", [CITY]),
        LATER_IN_CITY: ("株式会社見本建設", [CITY]),
    }
    # The town's own roster, which was imported later, has another name.
    in_town = {EVERYWHERE: ("株式会社町", everywhere), IN_TOWN: ("株式会社見本建設", [TOWN])}
    assert await list_bidders(registry.operators_officer, TOWN) == in_town
    assert await list_bidders(registry.operators_officer, TOWN, after=EVERYWHERE) == {IN_TOWN: in_town[IN_TOWN]}
    assert list(await list_bidders(registry.officer, PREFECTURE)) == [EVERYWHERE]
    assert await list_bidders(registry.officer, PREFECTURE, GOODS) == {}


async def test_list_of_another_agency_is_refused(registry: RunningQualificationRegistry) -> None:
    for agency in (TOWN, PREFECTURE, "", "atlantis"):
        assert await refuse(list_bidders(registry.city_officer, agency)) == "AGENCY_NOT_OWN"
    assert await refuse(list_bidders(registry.operators_officer, "atlantis")) == "AGENCY_UNKNOWN"
    assert await refuse(list_bidders(registry.operators_officer, VILLAGE, GOODS)) == "CATEGORY_NOT_OFFERED"


async def test_passwords_are_issued_to_bidders_of_the_agency_only(registry: RunningQualificationRegistry) -> None:
    letters = await registry.city_officer.issue(agency=CITY)
    assert set(letters) == {EVERYWHERE, IN_CITY, LATER_IN_CITY}
    # The letter goes to the address in the agency's own roster.
    assert letters[EVERYWHERE].company.address == "市の支店"
    assert set(await registry.operators_officer.issue(agency=TOWN)) == {IN_TOWN}


async def test_bidder_of_another_agency_is_refused_as_an_unknown_one(registry: RunningQualificationRegistry) -> None:
    await registry.operators_officer.issue(agency=TOWN)
    before = await registry.query(PASSWORDS)
    with pytest.raises(Refusal) as of_another:
        await registry.city_officer.issue(IN_TOWN, reissue=True, agency=CITY)
    with pytest.raises(Refusal) as unknown:
        await registry.city_officer.issue("1000009999", reissue=True, agency=CITY)
    assert (of_another.value.reason, of_another.value.code) == (unknown.value.reason, unknown.value.code)
    assert (unknown.value.reason, unknown.value.metadata) == ("BIDDER_UNKNOWN", {"bidder_id": "1000009999"})
    assert await registry.query(PASSWORDS) == before


async def test_officer_cannot_reissue_the_password_of_another_agencys_goods_bidder(
    registry: RunningQualificationRegistry,
) -> None:
    await registry.officer.import_roster(roster(row(IN_TOWN)), GOODS_ROSTER)
    await registry.officer.issue(agency=PREFECTURE, category=GOODS)
    before = await registry.query(PASSWORDS)
    for agency, reason in ((PREFECTURE, "AGENCY_NOT_OWN"), (CITY, "BIDDER_UNKNOWN")):
        issue = registry.city_officer.issue(IN_TOWN, reissue=True, agency=agency, category=GOODS)
        assert await refuse(issue) == reason
    assert await refuse(registry.operators_officer.issue(agency=VILLAGE, category=GOODS)) == "CATEGORY_NOT_OFFERED"
    assert await registry.query(PASSWORDS) == before


async def test_roster_is_previewed_and_committed_by_the_responsible_agency_only(
    registry: RunningQualificationRegistry,
) -> None:
    content = roster(row(IN_CITY))
    for name in (CITY_ROSTER, TOWN_ROSTER, OPERATORS_ROSTER):
        assert await refuse(registry.officer.preview(content, name)) == "AGENCY_NOT_OWN"
    assert await registry.query("SELECT count(*) FROM roster_imports") == [(2,)]
    preview = await registry.city_officer.preview(content, CITY_ROSTER)
    assert await refuse(registry.officer.commit(preview.import_id)) == "AGENCY_NOT_OWN"
    assert (await registry.city_officer.commit(preview.import_id, confirmed=list_questions(preview))).gone == 3
    # Its result is not shown to others either.
    assert await refuse(registry.officer.commit(preview.import_id)) == "AGENCY_NOT_OWN"


async def test_operators_officer_imports_every_roster(registry: RunningQualificationRegistry) -> None:
    for name in (CITY_ROSTER, TOWN_ROSTER, OPERATORS_ROSTER):
        preview = await registry.operators_officer.preview(roster(row(IN_CITY, agencies="例示市")), name)
        await registry.operators_officer.commit(preview.import_id, confirmed=list_questions(preview))
    assert list(await list_bidders(registry.operators_officer, VILLAGE)) == [IN_CITY]


async def test_preview_is_outdated_when_another_agency_became_responsible(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    profiles = [
        roster_profile(
            roster_mappings=[
                mapping(CITY_ROSTER, bidder_id="業者番号", agencies=[CITY], responsible_agency=responsible)
            ]
        )
        for responsible in (CITY, PREFECTURE)
    ]
    async with running_qualification_registry(dsn, tmp_path, profiles[0]) as registry:
        import_id = (await registry.city_officer.preview(roster(row(IN_CITY)), CITY_ROSTER)).import_id
    async with running_qualification_registry(dsn, tmp_path, profiles[1]) as registry:
        assert await refuse(registry.city_officer.commit(import_id)) == "ROSTER_PREVIEW_OUTDATED"
        assert await refuse(registry.officer.commit(import_id)) == "AGENCY_NOT_OWN"
