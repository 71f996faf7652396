"""Names that differ in a variant character only: an answer where one bidder can be meant, a question where two can."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest

from refusals import Code, Refusal
from refusals.status import from_rpc_error
from tests.support.example_profile import CITY, PREFECTURE, WORKS
from tests.support.services.example_rosters import roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.statements import counted_statements
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2

NEW_FORM, OLD_FORM, ALONE, AT_CITY, LAPSED, WITH_ID = (f"100000000{number}" for number in range(1, 7))
FILE = roster(
    row(NEW_FORM, "株式会社渡辺組"),
    # As rosters spell the name that its bearer types 株式会社渡邊組.
    row(OLD_FORM, "㈱渡 邊\U000e0100組"),
    row(ALONE, "株式会社廣瀬組"),
    row(AT_CITY, "株式会社広瀬組", agencies="例示市"),
    row(LAPSED, "株式会社榮建設", valid_until="2026-11-26"),
    row(WITH_ID, "株式会社栄建設"),
)
SAME, PERHAPS, DIFFERENT = (
    qualification_registry_pb2.NAME_VERDICT_SAME,
    qualification_registry_pb2.NAME_VERDICT_PERHAPS_SAME,
    qualification_registry_pb2.NAME_VERDICT_DIFFERENT,
)


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        await running.officer.import_roster(FILE)
        yield running


async def is_found(registry: RunningQualificationRegistry, bidder_id: str, name: str, password: str) -> bool:
    search = registry.find(bidder_id, name, password, card=bidder_id.encode().ljust(32))
    (answer,) = await asyncio.gather(search, return_exceptions=True)
    if isinstance(answer, Refusal):
        assert (answer.reason, answer.code, answer.metadata) == ("BIDDER_NOT_FOUND", Code.NOT_FOUND, {})
        return False
    assert not isinstance(answer, BaseException)
    assert answer.company.bidder_id == bidder_id
    return True


@pytest.mark.requirement("QUA-05")
@pytest.mark.requirement("QUA-06")
async def test_variant_is_refused_where_another_bidder_bears_it(registry: RunningQualificationRegistry) -> None:
    passwords = {bidder_id: letter.password for bidder_id, letter in (await registry.officer.issue()).items()}
    searches = {
        (NEW_FORM, "株式会社渡辺組"): True,
        (NEW_FORM, "株式会社渡邊組"): False,
        (OLD_FORM, "株式会社渡邊組"): True,
        (OLD_FORM, "株式会社渡辺組"): False,
        # Nobody bears this third form.
        (NEW_FORM, "株式会社渡邉組"): True,
        (OLD_FORM, "株式会社渡邉組"): True,
        # Borne at another agency, and by a bidder that is qualified no longer.
        (ALONE, "株式会社広瀬組"): True,
        (WITH_ID, "株式会社榮建設"): True,
        (NEW_FORM, "株式会社渡部組"): False,
    }
    statements: dict[bool, set[tuple[str, ...]]] = {True: set(), False: set()}
    for (bidder_id, name), expected in searches.items():
        with counted_statements() as asked:
            assert await is_found(registry, bidder_id, name, passwords[bidder_id]) is expected, (bidder_id, name)
        # What follows a right search only reverts the count of tries.
        statements[expected].add(tuple(asked))
    with counted_statements() as asked:
        assert not await is_found(registry, "1000009999", "株式会社渡邊組", "wrong123")
    statements[False].add(tuple(asked))
    (refused,), (accepted,) = statements[False], statements[True]
    assert accepted[: len(refused)] == refused


async def test_certificate_that_may_be_another_bidders_is_for_an_officer(
    registry: RunningQualificationRegistry,
) -> None:
    letters = await registry.officer.issue()
    expected = {
        "株式会社渡辺組": bidder_pb2.COMPANY_COMPARISON_SAME,
        "株式会社渡邉組": bidder_pb2.COMPANY_COMPARISON_SAME,
        "株式会社渡邊組": bidder_pb2.COMPANY_COMPARISON_UNREADABLE,
        "渡辺組株式会社": bidder_pb2.COMPANY_COMPARISON_UNREADABLE,
        "渡辺組": bidder_pb2.COMPANY_COMPARISON_UNREADABLE,
        "Watanabegumi Co., Ltd.": bidder_pb2.COMPANY_COMPARISON_UNREADABLE,
        "有限会社渡辺組": bidder_pb2.COMPANY_COMPARISON_DIFFERENT,
        "株式会社渡部組": bidder_pb2.COMPANY_COMPARISON_DIFFERENT,
    }
    for name, comparison in expected.items():
        response = await registry.find(
            NEW_FORM, "株式会社渡辺組", letters[NEW_FORM].password, certificate_company_name=name
        )
        statement = bidder_pb2.BidderStatement.FromString(response.proof.statement)
        assert statement.proven.company == comparison, name


async def compare(
    registry: RunningQualificationRegistry, name: str, bidder_id: str = NEW_FORM, agency: str = PREFECTURE
) -> qualification_registry_pb2.CompareNameResponse:
    request = qualification_registry_pb2.CompareNameRequest(
        agency=agency, category=WORKS, bidder_id=bidder_id, name=name
    )
    try:
        return await registry.officer.asynchronous.CompareName(request)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


@pytest.mark.requirement("QUA-05", "met")
async def test_officer_sees_how_a_name_compares_rule_by_rule(registry: RunningQualificationRegistry) -> None:
    expected = {
        ("株式会社渡辺組", NEW_FORM): (SAME, []),
        ("株式会社渡邉組", NEW_FORM): (SAME, ["VARIANT_OF_FAMILY_REGISTER"]),
        ("株式会社渡邊組", NEW_FORM): (PERHAPS, ["VARIANT_BORNE_BY_ANOTHER"]),
        ("（株）渡辺組", NEW_FORM): (PERHAPS, ["LEGAL_FORM_NOT_SPELLED_OUT"]),
        ("渡辺組株式会社", NEW_FORM): (PERHAPS, ["LEGAL_FORM_POSITION", "LEGAL_FORM_POSITION"]),
        ("有限会社渡部組", NEW_FORM): (DIFFERENT, ["LEGAL_FORM", "CHARACTER"]),
        ("株式会社渡邊組", OLD_FORM): (SAME, ["LEGAL_FORM_WRITING", "SPACE", "VARIATION_SELECTOR"]),
    }
    for (name, bidder_id), (verdict, rules) in expected.items():
        response = await compare(registry, name, bidder_id)
        roster_name = {NEW_FORM: "株式会社渡辺組", OLD_FORM: "㈱渡 邊\U000e0100組"}[bidder_id]
        assert response.roster_name == roster_name
        assert (response.verdict, [difference.rule for difference in response.differences]) == (verdict, rules)
        # As in the originals, where they say, and never weaker than the verdict.
        for difference in response.differences:
            assert name.startswith(difference.name, difference.name_position - 1)
            assert roster_name.startswith(difference.roster_name, difference.roster_position - 1)
        assert max([SAME, *(difference.verdict for difference in response.differences)]) == verdict


async def test_comparison_that_cannot_be_made_says_why(registry: RunningQualificationRegistry) -> None:
    reasons = {
        ("見本", "1000009999", PREFECTURE): "BIDDER_UNKNOWN",
        ("見本", "1000000001\0", PREFECTURE): "BIDDER_UNKNOWN",
        ("見本", AT_CITY, PREFECTURE): "BIDDER_UNKNOWN",
        ("見本", LAPSED, PREFECTURE): "BIDDER_UNKNOWN",
        ("　", NEW_FORM, PREFECTURE): "FIELDS_INVALID",
        ("見" * 201, NEW_FORM, PREFECTURE): "FIELDS_INVALID",
        ("見本", NEW_FORM, CITY): "AGENCY_NOT_OWN",
    }
    for (name, bidder_id, agency), reason in reasons.items():
        with pytest.raises(Refusal, match=reason):
            await compare(registry, name, bidder_id, agency)
