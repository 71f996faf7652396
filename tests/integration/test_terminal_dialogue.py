"""`card-agent register` at a terminal: typed-ahead lines, Ctrl-C at any moment, one language, refusals shown once.

The front door runs in this process with its peers as fakes, the card is in a real reader.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from instance_profile import load_profile
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.virtual_card import VirtualCard
from tests.support.card_reader import CardReader
from tests.support.example_profile import BIDDER
from tests.support.japanese_text import find_other_language
from tests.support.services.front_door import COMPANY, PASSWORD, RunningFrontDoor, running_front_door
from tests.support.terminal_dialogue import TerminalDialogue, terminal_dialogue

PIN = "123456"
REFUSED, INTERRUPTED = 1, 130
NOT_REGISTERED = "中止しました。登録は行われていません。"
NOT_KNOWN = "登録が完了しているかどうかは、まだ分かりません。"
REGISTERED = "登録は完了しています。控えは次のとおりです。"
CONTACT = {
    "連絡先名称": "工事課",
    "連絡先郵便番号": "330-9301",
    "連絡先住所": "埼玉県さいたま市浦和区高砂３－１５－１",
    "連絡先氏名": "土木　一郎",
    "連絡先電話番号": "048-000-0000",
    "連絡先FAX番号": "048-000-0001",
    "連絡先メールアドレス": "koji@contractor.example",
}


@dataclass(slots=True)
class Desk:
    """A contractor's desk: its card in the reader, the front door, and the files of the command."""

    server: RunningFrontDoor
    card: VirtualCard
    folder: Path

    @contextlib.contextmanager
    def start(self, language: str = "ja") -> Iterator[TerminalDialogue]:
        """Starts the command, whose typed-in part begins with the choice of the agency."""
        authority = self.folder / "authority.pem"
        authority.write_bytes(self.server.authority)
        server = ("--endpoint", self.server.address, "--trust", str(authority))
        files = ("--state-directory", str(self.folder / "state"), "--receipt", str(self.folder / "receipt.txt"))
        with terminal_dialogue("register", *server, *files, "--language", language) as dialogue:
            yield dialogue

    def log_in(self, dialogue: TerminalDialogue) -> None:
        """Answers all questions up to the PIN."""
        dialogue.answer("調達機関: ", "埼玉県")
        dialogue.answer("業務区分: ", "１")
        dialogue.answer("PIN（暗証番号）: ", PIN)

    def search(self, dialogue: TerminalDialogue) -> None:
        """Answers the questions of the search."""
        dialogue.answer("商号又は名称: ", COMPANY)
        dialogue.answer("ユーザID: ", BIDDER)
        dialogue.answer("パスワード: ", PASSWORD)

    def fill_in(self, dialogue: TerminalDialogue) -> None:
        """Answers the questions of the form except the last one."""
        for label, value in CONTACT.items():
            dialogue.answer(label, value)
        dialogue.answer("同じ内容にしますか", "はい")
        dialogue.answer("担当者: ", "")
        dialogue.wait_for("古いICカードの証明書シリアル番号: ")

    def sign(self, dialogue: TerminalDialogue) -> None:
        """Answers everything up to the second agreement."""
        self.log_in(dialogue)
        self.search(dialogue)
        self.fill_in(dialogue)
        dialogue.type("")
        dialogue.answer("この内容でよろしいですか", "ｙ")
        dialogue.answer("登録します。よろしいですか", "ｙ")

    def hold_answer(self) -> threading.Event:
        """Has the next registration be made and not answered; returns what is set when it is made."""
        made = threading.Event()

        async def hold() -> None:
            made.set()
            await asyncio.Event().wait()

        self.server.cards.before_answer = hold
        return made

    @property
    def registrations(self) -> int:
        """How many there are."""
        return len(self.server.cards.outcomes)


@pytest.fixture
async def desk(reader: CardReader, card_authority: CertificateAuthority, tmp_path: Path) -> AsyncIterator[Desk]:
    profile = load_profile(Path(__file__).parents[2] / "profiles" / "saitama.yaml")
    card = reader.insert(card_authority.issue(company=COMPANY, key=new_ec_key()))
    # The fakes work for an instance of this name.
    async with running_front_door(profile.model_copy(update={"id": "example"}), tmp_path) as server:
        yield Desk(server, card, tmp_path)


@pytest.mark.requirement("CRD-02", "met")
async def test_nothing_typed_ahead_answers_a_question_or_agrees(desk: Desk) -> None:
    def talk() -> str:
        desk.card.may_sign.clear()
        with desk.start() as dialogue:
            desk.log_in(dialogue)
            dialogue.wait_for("ただいまICカードにアクセス中です")
            assert desk.card.signing.wait(20)
            dialogue.type("うっかり入力")
            dialogue.type("y")
            desk.card.may_sign.set()
            desk.search(dialogue)
            desk.fill_in(dialogue)
            # With the last answer of the form, while the server checks it, both agreements are typed already.
            dialogue.type("\ny\ny")
            dialogue.answer("この内容でよろしいですか", "いいえ")
            assert dialogue.wait_for_end() == REFUSED
            return dialogue.transcript

    transcript = await asyncio.to_thread(talk)
    assert "うっかり入力" not in transcript
    assert [search.name for search in desk.server.bidders.searches] == [COMPANY]
    assert "[REGISTRATION_GIVEN_UP]" in transcript
    assert desk.registrations == 0


def at_the_agency(_desk: Desk, dialogue: TerminalDialogue) -> None:
    dialogue.wait_for("調達機関: ")


def at_the_pin(desk: Desk, dialogue: TerminalDialogue) -> None:
    dialogue.answer("調達機関: ", "埼玉県")
    dialogue.answer("業務区分: ", "works")
    dialogue.wait_for("PIN（暗証番号）: ")


def while_the_card_signs(desk: Desk, dialogue: TerminalDialogue) -> None:
    desk.card.may_sign.clear()
    desk.log_in(dialogue)
    assert desk.card.signing.wait(20)


def at_the_agreement(desk: Desk, dialogue: TerminalDialogue) -> None:
    desk.log_in(dialogue)
    desk.search(dialogue)
    desk.fill_in(dialogue)
    dialogue.type("")
    dialogue.wait_for("この内容でよろしいですか")


@pytest.mark.parametrize("reach", [at_the_agency, at_the_pin, while_the_card_signs, at_the_agreement])
async def test_first_ctrl_c_ends_the_command_and_says_that_nothing_was_registered(
    desk: Desk, reach: Callable[[Desk, TerminalDialogue], None]
) -> None:
    def talk() -> str:
        with desk.start() as dialogue:
            reach(desk, dialogue)
            dialogue.press_ctrl_c()
            assert dialogue.wait_for_end() == INTERRUPTED
            return dialogue.transcript

    transcript = await asyncio.to_thread(talk)
    assert transcript.endswith(f"{NOT_REGISTERED}\n")
    assert "Traceback" not in transcript
    assert desk.registrations == 0
    assert desk.server.cards.sessions == {}


@pytest.mark.requirement("REG-05")
async def test_receipt_of_an_interrupted_registration_is_fetched_by_the_next_run(desk: Desk) -> None:
    def interrupt() -> str:
        made = desk.hold_answer()
        with desk.start() as dialogue:
            desk.sign(dialogue)
            assert made.wait(20)
            dialogue.press_ctrl_c()
            assert dialogue.wait_for_end() == INTERRUPTED
            return dialogue.transcript

    def run_again() -> str:
        desk.server.cards.before_answer = None
        with desk.start() as dialogue:
            desk.log_in(dialogue)
            assert dialogue.wait_for_end() == 0
            return dialogue.transcript

    transcript = await asyncio.to_thread(interrupt)
    assert NOT_KNOWN in transcript
    assert NOT_REGISTERED not in transcript
    assert not (desk.folder / "receipt.txt").exists()
    assert "登録が完了しました" in await asyncio.to_thread(run_again)
    assert BIDDER in (desk.folder / "receipt.txt").read_text()
    assert desk.registrations == 1


async def test_ctrl_c_after_the_registration_shows_and_keeps_the_receipt(desk: Desk) -> None:
    ending = threading.Event()

    async def hold_the_end() -> None:
        ending.set()
        await asyncio.Event().wait()

    desk.server.cards.before_end = hold_the_end

    def talk() -> str:
        with desk.start() as dialogue:
            desk.sign(dialogue)
            assert ending.wait(20)
            dialogue.press_ctrl_c()
            assert dialogue.wait_for_end() == INTERRUPTED
            return dialogue.transcript

    transcript = await asyncio.to_thread(talk)
    assert BIDDER in transcript.partition(REGISTERED)[2]
    assert BIDDER in (desk.folder / "receipt.txt").read_text()


@pytest.mark.requirement("CRD-03")
async def test_wrong_pin_is_explained_once_and_a_blocked_card_has_no_other_try(desk: Desk) -> None:
    def talk(pin: str) -> str:
        with desk.start() as dialogue:
            dialogue.answer("調達機関: ", "埼玉県")
            dialogue.answer("業務区分: ", "works")
            dialogue.answer("PIN（暗証番号）: ", pin)
            if desk.card.piv.tries_left > 1:
                dialogue.answer("やり直しますか", "ｎ")
            assert dialogue.wait_for_end() == REFUSED
            return dialogue.transcript

    desk.card.piv.tries_left = 2
    wrong = await asyncio.to_thread(talk, "000000")
    assert wrong.count("[CARD_PIN_WRONG]") == 1
    blocked = await asyncio.to_thread(talk, "000000")
    assert blocked.count("[CARD_PIN_BLOCKED]") == 1
    assert "やり直しますか" not in blocked


async def test_japanese_dialogue_has_no_english_in_it(desk: Desk) -> None:
    def talk() -> str:
        with desk.start() as dialogue:
            desk.sign(dialogue)
            assert dialogue.wait_for_end() == 0
            return dialogue.transcript

    transcript = await asyncio.to_thread(talk)
    assert find_other_language(transcript, "ja") == []
    assert "登録が完了しました" in transcript


async def test_english_dialogue_has_no_japanese_in_it(desk: Desk) -> None:
    fields = desk.server.profile.categories[0].contact_fields
    # What was typed, what is on the roster and on the card, and two words that the profile quotes.
    japanese = [COMPANY, "埼玉県", "登録 太郎", *CONTACT.values(), "契約者", "株式会社"]

    def talk() -> str:
        with desk.start("en") as dialogue:
            dialogue.answer("Agency: ", "1")
            dialogue.answer("Category: ", "works")
            dialogue.answer("PIN of the card: ", PIN)
            dialogue.answer("Company name: ", COMPANY)
            dialogue.answer("User ID: ", BIDDER)
            dialogue.answer("Password: ", PASSWORD)
            dialogue.wait_for("■ Representative contact")
            for contact_field, value in zip(fields, CONTACT.values(), strict=True):
                dialogue.answer(f"{contact_field.label.en}: ", value)
            dialogue.answer("(y: yes", "y")
            dialogue.answer("Person in charge: ", "")
            dialogue.answer("Serial number of your card that has expired: ", "")
            dialogue.answer("Is all of this right?", "yes")
            dialogue.answer("Do you agree?", "y")
            assert dialogue.wait_for_end() == 0
            return dialogue.transcript

    transcript = await asyncio.to_thread(talk)
    for value in sorted(japanese, key=len, reverse=True):
        transcript = transcript.replace(value, "")
    assert find_other_language(transcript, "en") == []
    # The receipt is a document to be filed.
    assert find_other_language((desk.folder / "receipt.txt").read_text(), "ja") == []
