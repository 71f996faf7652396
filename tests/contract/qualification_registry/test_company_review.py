"""Changed company data shows its old value until the review is done (審査済), then the new one by itself (QUA-08)."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from refusals import Refusal
from servicekit.messages import read_timestamp
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, WORKS
from tests.support.services.bidder_officer import REASON
from tests.support.services.example_rosters import mapping, roster, roster_profile, row
from tests.support.services.history import list_entries
from tests.support.services.qualification_registry import (
    MORNING,
    RunningQualificationRegistry,
    running_qualification_registry,
)
from tests.support.services.roster_officer import WITH_IDS
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2

OLD, NEW, NEWEST = "株式会社見本建設", "株式会社新見本建設", "株式会社最新見本建設"
OLD_PERSON, NEW_PERSON = "見本　太郎", "見本　花子"
HEADER = "業者番号,法人番号,商号,所在地,代表者,電話番号,等級,調達機関,期間開始,期間終了,審査状況"
SEARCH_FIELDS = [
    {"field": field, "label": {"ja": field, "en": field}, "hint": {"ja": "", "en": ""}, "required": True}
    for field in ("name", "bidder_id")
]
HOUR = timedelta(hours=1)
# The registry's clock says 2026-11-27, 10:00 in Japan.
NEXT = ("2027-04-01", "2029-03-31")


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    agencies = [
        agency.model_dump() | {"company_match": "required", "holder": "contract_party"}
        for agency in roster_profile().agencies
    ]
    columns = {
        "bidder_id": "業者番号",
        "agencies_column": "調達機関",
        "valid_from": "期間開始",
        "valid_until": "期間終了",
        "review": {"column": "審査状況", "under_review": ["審査中"], "done": ["審査済"]},
    }
    profile = roster_profile(
        category={"search_fields": SEARCH_FIELDS}, agencies=agencies, roster_mappings=[mapping(WITH_IDS, **columns)]
    )
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as running:
        await running.officer.import_roster(listed("審査済", OLD, OLD_PERSON))
        yield running


def listed(review: str, name: str = NEW, person: str = NEW_PERSON, **changes: Any) -> bytes:
    """Returns a file with the bidder, its review and name, and with another bidder."""
    own = row(BIDDER, name, representative=person, **changes)
    return roster(f"{own},{review}", f"{row(OTHER_BIDDER, '株式会社例示組')},", header=HEADER)


async def find(
    registry: RunningQualificationRegistry, name: str, person: str, *, agency: str = PREFECTURE
) -> qualification_registry_pb2.FindBidderResponse:
    """Searches by a name with a card that has it and this holder. Raises Refusal."""
    return await registry.find(
        BIDDER, name, agency=agency, certificate_company_name=name, certificate_holder_name=person
    )


async def show(registry: RunningQualificationRegistry, agency: str = PREFECTURE) -> bidder_pb2.CompanyProfile:
    """Returns the company that a registered card is shown."""
    request = qualification_registry_pb2.GetCompanyRequest(agency=agency, category=WORKS, bidder_id=BIDDER)
    return (await registry.front_door.GetCompany(request)).company


async def list_reviews(registry: RunningQualificationRegistry) -> list[tuple[timedelta, list[str]]]:
    """Returns the reviews that consumers are told now: after the first instant, and at which agencies."""
    await registry.send_events()
    (*_, state) = [state for state in registry.peer_agency_sync.recorded_bidders if state.bidder_id == BIDDER]
    return [(read_timestamp(review.began_at) - MORNING, list(review.agencies)) for review in state.reviews]


@pytest.mark.every_postgresql
@pytest.mark.requirement("QUA-08")
async def test_old_company_is_shown_until_a_list_says_that_the_review_is_done(
    registry: RunningQualificationRegistry,
) -> None:
    registry.pass_time(HOUR)
    await registry.officer.import_roster(listed("審査中", telephone="03-9999-9999"))
    shown = await show(registry)
    assert (shown.name, shown.representative_name, shown.telephone) == (OLD, OLD_PERSON, "03-0000-0000")
    assert await list_reviews(registry) == [(HOUR, [CITY, PREFECTURE])]
    # A new card names the company as it will be, and registers meanwhile; so does one that names it as it was.
    for name, person in ((NEW, NEW_PERSON), (OLD, OLD_PERSON)):
        found = await find(registry, name, person)
        assert (found.company.name, found.company.representative_name) == (OLD, OLD_PERSON)
        confirmed = await registry.confirm(found.proof, name, person)
        assert confirmed.company.name == OLD
        renewed = await registry.prove(certificate_company_name=name, certificate_holder_name=person)
        assert renewed.company.name == OLD
    with pytest.raises(Refusal, match="COMPANY_DIFFERS_FROM_CARD"):
        await registry.find(BIDDER, OLD, certificate_company_name="株式会社例示組", certificate_holder_name=OLD_PERSON)
    # The list says 審査済: the new company is shown without anybody's doing.
    registry.pass_time(HOUR)
    proof = (await find(registry, NEW, NEW_PERSON)).proof
    await registry.officer.import_roster(listed("審査済", telephone="03-9999-9999"))
    shown = await show(registry)
    assert (shown.name, shown.representative_name, shown.telephone) == (NEW, NEW_PERSON, "03-9999-9999")
    assert (await registry.confirm(proof, NEW, NEW_PERSON)).company.name == NEW
    assert await list_reviews(registry) == []
    with pytest.raises(Refusal, match="BIDDER_NOT_FOUND"):
        await find(registry, OLD, OLD_PERSON)


@pytest.mark.requirement("QUA-08")
async def test_officer_of_an_agency_ends_the_review_there_and_the_operators_everywhere(
    registry: RunningQualificationRegistry,
) -> None:
    mika = await registry.appoint(f"{CITY}/mika", "roster")
    with pytest.raises(Refusal, match="BIDDER_NOT_UNDER_REVIEW"):
        await mika.end_review()
    await registry.officer.import_roster(listed("審査中"))
    request_id = str(uuid4())
    for _ in range(2):
        ended = await mika.end_review(request_id=request_id)
        assert list(ended.not_yet_effective_at) == []
    assert (await show(registry, CITY)).name == NEW
    assert (await show(registry)).name == OLD
    assert await list_reviews(registry) == [(timedelta(), [PREFECTURE])]
    entries = await list_entries(registry.history, bidder_id=BIDDER)
    (entry,) = [entry for entry in entries if entry.what == "company review ended"]
    details = json.loads(entry.details.text)
    assert (details["before"], details["after"]) == (
        {"under_review": True},
        {"under_review": False, "reason": REASON},
    )
    assert (entry.bidder_id, list(entry.agencies)) == (BIDDER, [CITY])
    with pytest.raises(Refusal, match="BIDDER_NOT_UNDER_REVIEW"):
        await mika.end_review()
    gen = await registry.appoint("operator/gen", "roster")
    await gen.end_review()
    assert (await show(registry)).name == NEW
    assert await list_reviews(registry) == []
    # A list that still says 審査中, with another grade, doesn't begin it again; one with other company data does.
    registry.pass_time(HOUR)
    await registry.officer.import_roster(listed("審査中", grade="B"))
    assert (await show(registry)).name == NEW
    assert await list_reviews(registry) == []
    await registry.officer.import_roster(listed("審査中", NEWEST, grade="B"))
    assert (await show(registry)).name == NEW
    assert await list_reviews(registry) == [(HOUR, [CITY, PREFECTURE])]


@pytest.mark.requirement("QUA-08")
async def test_review_goes_on_from_its_beginning_while_lists_repeat_it(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(listed("審査中"))
    registry.pass_time(HOUR)
    await registry.officer.import_roster(listed("審査中", grade="B"))
    # What was reviewed last is shown, and grades are no company data.
    await registry.officer.import_roster(listed("審査中", NEWEST, grade="B"))
    shown = await show(registry)
    assert (shown.name, [grade.grade for grade in shown.grades]) == (OLD, ["B"])
    assert await list_reviews(registry) == [(timedelta(), [CITY, PREFECTURE])]
    # The next term's list has the same review.
    preview = await registry.officer.preview(
        listed("審査中", NEWEST, valid_from="2027-04-01", valid_until="2029-03-31"), term=NEXT
    )
    await registry.officer.commit(preview.import_id, confirmed=[question.reason for question in preview.questions])
    assert await list_reviews(registry) == [(timedelta(), [CITY, PREFECTURE])]
    registry.pass_time(timedelta(days=130))
    assert (await show(registry)).name == OLD


async def test_bidder_that_left_and_comes_back_under_review_has_another_review(
    registry: RunningQualificationRegistry,
) -> None:
    await registry.officer.import_roster(listed("審査中"))
    other = roster(f"{row(OTHER_BIDDER, '株式会社例示組')},", header=HEADER)
    await registry.officer.import_roster(other)
    assert await list_reviews(registry) == []
    with pytest.raises(Refusal, match="BIDDER_NOT_QUALIFIED"):
        await show(registry)
    registry.pass_time(HOUR)
    await registry.officer.import_roster(listed("審査中"))
    assert await list_reviews(registry) == [(HOUR, [CITY, PREFECTURE])]
    # Nothing else of it is known: the list has it first with these data.
    assert (await show(registry)).name == NEW


async def test_officers_see_the_review_in_preview_list_and_comparison(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    preview = await officer.preview(listed("審査中", person=OLD_PERSON))
    (line,) = (await officer.list_lines(preview.import_id)).lines
    assert [(change.field, change.before, change.after) for change in line.changes] == [
        ("name", OLD, NEW),
        ("review", "", "under_review"),
    ]
    await officer.commit(preview.import_id)
    bidders = await officer.asynchronous.ListBidders(
        qualification_registry_pb2.ListBiddersRequest(agency=PREFECTURE, category=WORKS)
    )
    assert {bidder.bidder_id: bidder.name for bidder in bidders.bidders}[BIDDER] == OLD
    lines = await officer.asynchronous.ListVersionLines(
        qualification_registry_pb2.ListVersionLinesRequest(roster=WITH_IDS, version=2)
    )
    assert [(line.company.name, line.under_review) for line in lines.lines if line.company.bidder_id == BIDDER] == [
        (NEW, True)
    ]
    for name in (OLD, NEW):
        request = qualification_registry_pb2.CompareNameRequest(
            agency=PREFECTURE, category=WORKS, bidder_id=BIDDER, name=name
        )
        assert (await officer.asynchronous.CompareName(request)).roster_name == name


async def test_other_words_for_a_review_are_errors_of_their_rows(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(listed("審査待ち"))
    (error,) = preview.errors
    assert (error.reason, error.column, dict(error.metadata)) == (
        "ROSTER_REVIEW_UNKNOWN",
        "審査状況",
        {"word": "審査待ち"},
    )


async def test_review_that_can_not_be_ended_stays(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(listed("審査中"))
    mika = await registry.appoint(f"{CITY}/mika", "roster")
    for reason, bidder_id, changes in (
        ("BIDDER_UNKNOWN", "1999999999", {}),
        ("PURPOSE_MALFORMED", "\0", {}),
        ("BIDDER_NOT_UNDER_REVIEW", OTHER_BIDDER, {}),
        ("BIDDER_NOT_UNDER_REVIEW", BIDDER, {"category": GOODS}),
        ("CATEGORY_UNKNOWN", BIDDER, {"category": "nonsense"}),
        ("OFFICER_REASON_INVALID", BIDDER, {"reason": " "}),
        ("AGENCY_NOT_OWN", BIDDER, {"agency": PREFECTURE}),
    ):
        with pytest.raises(Refusal, match=reason):
            await mika.end_review(bidder_id, **changes)
    suspending = await registry.appoint(f"{CITY}/taro", "suspension")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await suspending.end_review()
    assert await list_reviews(registry) == [(timedelta(), [CITY, PREFECTURE])]
