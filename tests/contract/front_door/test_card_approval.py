"""A card that an officer has to decide about is asked about at the front door, by a session's card alone (CRD-10)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from refusals import Refusal
from tests.support.contractor import Contractor
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.peers.qualification_registry.card_approvals import NUMBER
from tests.support.services.front_door import COMPANY, PASSWORD, RunningFrontDoor, running_front_door
from toroku.frontdoor.v1 import registration_pb2

ADDRESS = "koji@contractor.example"


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        running.bidders.needs_officer = "HOLDER_NEEDS_OFFICER"
        yield running


async def ask(contractor: Contractor, **changes: str) -> str:
    """Asks as the card agent does, and returns the number. Raises Refusal."""
    values: dict[str, Any] = {
        "session_token": contractor.session_token,
        "agency": contractor.agency,
        "category": contractor.category,
        "name": COMPANY,
        "bidder_id": BIDDER,
        "password": PASSWORD,
        "mail_address": ADDRESS,
    }
    response: registration_pb2.AskForApprovalResponse = await contractor.call(
        "AskForApproval", registration_pb2.AskForApprovalRequest(**values | changes)
    )
    return response.number


@pytest.mark.requirement("CRD-10")
async def test_question_has_the_search_the_card_of_the_session_and_its_names(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor(front_door.card(holder="別人 次郎"))
    await contractor.enter()
    with pytest.raises(Refusal, match="HOLDER_NEEDS_OFFICER"):
        await contractor.find()
    assert await ask(contractor) == NUMBER
    (asked,) = front_door.approvals.asked
    assert asked.mail_address == ADDRESS
    assert asked.search == front_door.bidders.searches[0]
    assert (asked.search.agency, asked.search.category) == (PREFECTURE, WORKS)
    assert asked.search.certificate_sha256 == contractor.card.sha256
    assert (asked.search.certificate_company_name, asked.search.certificate_holder_name) == (COMPANY, "別人 次郎")


@pytest.mark.requirement("CRD-10")
async def test_proof_is_confirmed_with_both_names_of_the_certificate(front_door: RunningFrontDoor) -> None:
    front_door.bidders.needs_officer = ""
    contractor = front_door.contractor(front_door.card(holder="別人 次郎"))
    await contractor.whole()
    names = {(each.certificate_company_name, each.certificate_holder_name) for each in front_door.bidders.confirmations}
    assert names == {(COMPANY, "別人 次郎")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"session_token": "0" * 43}, "CARD_SESSION_UNKNOWN"),
        ({"agency": "city"}, "CARD_SESSION_FOR_ANOTHER_AGENCY"),
        ({"password": "wr0ngPas"}, "BIDDER_NOT_FOUND"),
        ({"mail_address": "a" * 301}, "FIELDS_INVALID"),
        ({"mail_address": "koji@contractor.example\r\nBcc: all@contractor.example"}, "FIELDS_INVALID"),
    ],
)
async def test_question_without_session_search_or_address_is_refused(
    front_door: RunningFrontDoor, changes: dict[str, str], expected: str
) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    with pytest.raises(Refusal, match=expected):
        await ask(contractor, **changes)
    assert front_door.approvals.asked == []
