"""The officer's queue in one go: a contractor asks at its terminal, an officer decides at another one, a mail tells it.

The card names its company without the legal form, so that nobody but a person can say whether it is the roster's.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from card_agent.console import words
from operator_command.instance_certificates import OFFICER
from operator_command.officer.preparation import prepare_officer
from simulators.certificate_authorities import new_ec_key
from tests.support.card_reader import CardReader, card_reader
from tests.support.contractor import Contractor
from tests.support.contractor_at_terminal import PIN, ContractorAtTerminal, contractor_at_terminal
from tests.support.running_instance import COMPANY_COMPARED_AT, RunningInstance
from tests.support.terminal_dialogue import terminal_dialogue
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

LEGAL_FORM = "株式会社"
DIFFERENCE = "法人の種類の有無"
ADDRESS = "kakunin@contractor.example"
OFFICER_ASKED = 3
SIGN = "署名して実行しますか"


@pytest.fixture(scope="module")
def reader() -> Iterator[CardReader]:
    """The contractor's card reader."""
    with card_reader() as reader:
        yield reader


@dataclass(frozen=True, slots=True)
class Desks:
    """The contractor's desk and the officer's; both talk with the running instance."""

    instance: RunningInstance
    contractor: Contractor
    folder: Path

    @contextmanager
    def register(self) -> Iterator[ContractorAtTerminal]:
        """Starts `card-agent register`, and goes on to the search."""
        launched, contractor = self.instance.launched, self.contractor
        with contractor_at_terminal(
            *("--endpoint", launched.front_door, "--trust", str(launched.certificates.public.authority)),
            *("--state-directory", str(self.folder / "state")),
            language="ja",
            profile=self.instance.profile,
        ) as terminal:
            terminal.choose_place(contractor.agency)
            terminal.answer(words.ASK_PIN, PIN)
            terminal.search(contractor.company_name, contractor.bidder_id, contractor.password)
            yield terminal

    def toroku(self, *arguments: str, answers: Sequence[tuple[str, str]] = ()) -> str:
        """Runs `toroku …` as the agency's officer, and returns what is read."""
        environment = {
            "TOROKU_STATE": str(self.instance.launched.state),
            "TOROKU_OFFICER": f"{self.contractor.agency}/{OFFICER}",
            "TOROKU_LANGUAGE": "ja",
        }
        with terminal_dialogue(
            *arguments, module="operator_command", folder=self.folder, environment=environment
        ) as dialogue:
            for question, answer in answers:
                dialogue.answer(question, answer)
            assert dialogue.wait_for_end() == 0, dialogue.transcript
            return dialogue.transcript

    def ask(self) -> tuple[str, str]:
        """The contractor is told that an officer has to look at the card, asks, and gets a number.

        Returns all that is read there, and the number.
        """
        with self.register() as terminal:
            terminal.answer(words.ANSWER_ADDRESS, ADDRESS)
            assert terminal.wait_for_end() == OFFICER_ASKED
            read = terminal.dialogue.transcript
        number = re.search(rf"{words.APPROVAL_NUMBER.ja}\s*[:：]\s*(\d+)", read)
        assert number is not None, read
        return read, number[1]

    def decide(self, number: str) -> tuple[str, str]:
        """The officer sees the queue, and approves the card: what is read at both commands."""
        listed = self.toroku("approvals", "list")
        decided = self.toroku(
            *("approvals", "decide", number, "approve", "--reason", "登記事項証明書で確認"), answers=[(SIGN, "y")]
        )
        return listed, decided

    def complete(self) -> None:
        """The contractor comes again, and now the search finds its bidder."""
        with self.register() as terminal:
            terminal.fill_in_contact({"mail_address": "daihyo@contractor.example"})
            terminal.answer_whether_same("y")
            terminal.answer(words.PERSON_IN_CHARGE, "")
            terminal.answer(words.PREDECESSOR_SERIAL, "")
            terminal.answer(words.CONFIRM_VALUES, "y")
            terminal.answer(words.CONFIRM_ACT, "y")
            assert terminal.wait_for_end() == 0


@pytest.mark.requirement("CRD-10")
@pytest.mark.requirement("QUA-05")
async def test_card_with_an_unreadable_company_is_registered_after_an_officers_approval(
    instance: RunningInstance, reader: CardReader, tmp_path: Path
) -> None:
    contractor = instance.contractor(agency=COMPANY_COMPARED_AT)
    on_the_card = contractor.company_name.removesuffix(LEGAL_FORM)
    contractor.card = instance.ca.issue(company=on_the_card, key=new_ec_key())
    await asyncio.to_thread(prepare_officer, instance.launched.state, f"{contractor.agency}/{OFFICER}")
    desks = Desks(instance, contractor, tmp_path)
    reader.insert(contractor.card, pin=PIN)

    asked, number = await asyncio.to_thread(desks.ask)
    assert (await instance.resolve(contractor)).verdict == ResolveUserResponse.VERDICT_NOT_REGISTERED

    listed, decided = await asyncio.to_thread(desks.decide, number)
    of_card = listed[listed.index(f"ICカードの確認 {number}") :]
    assert f"ICカード企業名称：{on_the_card}\n" in of_card
    assert f"名簿の商号又は名称：{contractor.company_name}" in of_card
    assert contractor.card.sha256.hex() in of_card
    # What differs, by the rule that says so, is for the officer alone.
    assert DIFFERENCE in of_card
    assert DIFFERENCE not in asked
    assert "承認しました。" in decided

    mail = await instance.mail_to(ADDRESS)
    assert number in mail.get_content()
    assert "利用者登録又はICカード更新ができるようになりました" in mail.get_content()

    await asyncio.to_thread(desks.complete)
    answer = await instance.resolve(contractor)
    assert (answer.verdict, answer.bidder_id) == (ResolveUserResponse.VERDICT_GOOD, contractor.bidder_id)
    entries = await asyncio.to_thread(desks.toroku, "approvals", "list", "--only", "approved")
    assert f"ICカードの確認 {number}" in entries
