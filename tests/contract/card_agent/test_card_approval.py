"""A card that an officer has to decide about: what the person is told, leaves and gets (CRD-10)."""

import asyncio
import sys
from pathlib import Path

import pytest
import yaml

from refusals import Code, Refusal, Violation
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.office import Office, replace_person
from tests.support.peers.qualification_registry.card_approvals import NUMBER
from tests.support.services.front_door import COMPANY, PASSWORD

ADDRESS = "koji@contractor.example"
QUESTION = "card_approval.mail_address"
OFFICER_ASKED = 3


@pytest.mark.requirement("CRD-10")
@pytest.mark.requirement("QUA-05")
@pytest.mark.parametrize("reason", ["COMPANY_NEEDS_OFFICER", "HOLDER_NEEDS_OFFICER", "CARD_APPROVAL_REFUSED"])
async def test_person_is_told_why_leaves_an_address_and_gets_a_number(office: Office, reason: str) -> None:
    office.server.bidders.needs_officer = reason
    replace_person(office, **{QUESTION: ADDRESS})
    refusal = await office.refused()
    assert [shown.reason for shown in office.person.refused] == [reason]
    assert (refusal.reason, refusal.metadata["number"]) == ("CARD_APPROVAL_PENDING", NUMBER)
    assert office.person.value("担当者に確認を依頼しました", "確認番号") == NUMBER
    (asked,) = office.server.approvals.asked
    assert asked.mail_address == ADDRESS
    assert asked.search.password == PASSWORD
    assert office.registrations() == 0
    assert office.server.cards.sessions == {}


@pytest.mark.requirement("CRD-10")
async def test_person_who_leaves_no_address_asks_nobody(office: Office) -> None:
    office.server.bidders.needs_officer = "COMPANY_NEEDS_OFFICER"
    replace_person(office, **{QUESTION: ""})
    assert (await office.refused()).reason == "COMPANY_NEEDS_OFFICER"
    assert office.server.approvals.asked == []


async def test_wrong_address_is_asked_for_again(office: Office) -> None:
    office.server.bidders.needs_officer = "COMPANY_NEEDS_OFFICER"
    replace_person(office, **{QUESTION: ["koji", ADDRESS]})
    office.person.tries_again = lambda _: True
    wrong = [Violation("mail_address", "MAIL_ADDRESS_INVALID")]
    refusals = iter([Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, violations=wrong)])

    def answer(_request: object, ask: object) -> object:
        for refusal in refusals:
            raise refusal
        return ask()  # type: ignore[operator]  # the call itself

    office.proxy.answers["AskForApproval"] = answer
    assert (await office.refused()).reason == "CARD_APPROVAL_PENDING"
    assert office.person.asked.count(QUESTION) == 2
    assert [asked.mail_address for asked in office.server.approvals.asked] == [ADDRESS]


@pytest.mark.requirement("CRD-10")
async def test_person_who_comes_before_the_decision_is_not_asked_again(office: Office) -> None:
    office.server.bidders.needs_officer = "CARD_APPROVAL_PENDING"
    refusal = await office.refused()
    assert (refusal.reason, refusal.metadata["number"]) == ("CARD_APPROVAL_PENDING", NUMBER)
    assert QUESTION not in office.person.asked


@pytest.mark.requirement("CRD-10")
async def test_command_has_an_option_for_the_address_and_a_status_of_its_own(office: Office, tmp_path: Path) -> None:
    office.server.bidders.needs_officer = "COMPANY_NEEDS_OFFICER"
    files = {
        "form.yaml": yaml.safe_dump(
            {"agency": PREFECTURE, "category": WORKS, "search": {"name": COMPANY, "bidder_id": BIDDER}}
        ).encode(),
        "password": PASSWORD.encode(),
        "pin": b"file-password",
        "card.p12": office.card.pkcs12(b"file-password"),
        "ca.pem": office.server.authority,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    async def run(*further: str) -> tuple[int | None, str, str]:
        options = {
            "--endpoint": office.server.address,
            "--trust": "ca.pem",
            "--pkcs12": "card.p12",
            "--pin-file": "pin",
            "--form": "form.yaml",
            "--password-file": "password",
            "--state-directory": "state",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "card_agent", "register", "--yes", "--language", "ja"),
            *(word for option in options.items() for word in option),
            *further,
            cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return process.returncode, output.decode(), errors.decode()

    status, output, errors = await run()
    assert (status, office.server.approvals.asked) == (1, []), errors
    assert "[COMPANY_NEEDS_OFFICER]" in output + errors
    status, output, errors = await run("--answer-address", ADDRESS)
    assert status == OFFICER_ASKED, errors
    assert f"確認番号: {NUMBER}" in output
    assert f"例示県の担当者が確認しています（確認番号：{NUMBER}）" in errors
    status, output, errors = await run()
    assert status == OFFICER_ASKED
    assert f"例示県の担当者が確認しています（確認番号：{NUMBER}）" in errors
    assert len(office.server.approvals.asked) == 1
    assert PASSWORD not in output + errors
