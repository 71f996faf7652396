"""`card-agent renew` with cards in real readers: one swap in one reader, and two readers at once (REN-01).

With the real pcscd and its driver for virtual readers; the front door runs in this process with its peers as fakes.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from card_agent.console import renewal_words
from card_agent.media.card_places import ReaderPlaces, watch_reader
from card_agent.media.pcsc import CardInReader
from refusals import Refusal
from simulators.certificate_authorities import IssuedCard
from simulators.smart_card_service import READER, SECOND_READER
from simulators.virtual_card import VirtualCard
from tests.support.card_reader import CardReader
from tests.support.example_profile import example_profile
from tests.support.renewal_office import NEW_PIN, OLD_PIN, RenewalOffice
from tests.support.services.front_door import COMPANY, running_front_door
from tests.support.terminal_dialogue import terminal_dialogue


@pytest.fixture
async def office(reader: CardReader, tmp_path: Path) -> AsyncIterator[RenewalOffice]:
    async with running_front_door(example_profile(), tmp_path) as server:
        office = RenewalOffice(server, tmp_path)
        await office.register_old()
        # The old card expires before the new one.
        office.new = server.card(not_after=datetime.now(UTC) + timedelta(days=2000))
        office.person.hands.clear()
        yield office


def swap(reader: CardReader, out: VirtualCard, card: IssuedCard, pin: str) -> None:
    reader.pull(out)
    reader.insert(card, pin=pin)


@pytest.mark.requirement("REN-01")
async def test_cards_are_swapped_once_in_one_reader(office: RenewalOffice, reader: CardReader) -> None:
    old = reader.insert(office.old, pin=OLD_PIN)
    # While the agent waits, not before: it has to notice by itself.
    hands = {
        renewal_words.SWAP_CARDS.ja: lambda: threading.Timer(0.5, swap, (reader, old, office.new, NEW_PIN)).start()
    }
    office.person.hands = hands
    done = await office.renew(places=ReaderPlaces(), most_seconds=30.0)
    assert done.result.new_card.certificate_sha256 == office.new.sha256
    assert office.renewals == 1
    assert office.person.told.count(renewal_words.SWAP_CARDS.ja) == 1
    assert office.person.pins_asked == 2


@pytest.mark.requirement("REN-01")
async def test_old_card_put_in_again_is_told(office: RenewalOffice, reader: CardReader) -> None:
    old = reader.insert(office.old, pin=OLD_PIN)
    office.person.hands = {
        renewal_words.SWAP_CARDS.ja: lambda: threading.Timer(0.2, reader.put_back, (old,)).start(),
        renewal_words.STILL_THE_OLD_CARD.ja: lambda: threading.Timer(
            0.2, swap, (reader, old, office.new, NEW_PIN)
        ).start(),
    }
    await office.renew(places=ReaderPlaces(), most_seconds=30.0)
    assert office.renewals == 1
    assert office.person.told.count(renewal_words.STILL_THE_OLD_CARD.ja) == 1


@pytest.mark.requirement("REN-01")
async def test_two_readers_with_cards_are_found_the_old_card_by_its_expiry(
    office: RenewalOffice, reader: CardReader
) -> None:
    reader.insert(office.new, pin=NEW_PIN)
    reader.insert(office.old, pin=OLD_PIN, second=True)
    await office.renew(places=ReaderPlaces(), most_seconds=30.0)
    assert office.renewals == 1
    assert office.person.shown[renewal_words.READERS.ja] == [
        (renewal_words.OLD_CARD.ja, SECOND_READER),
        (renewal_words.NEW_CARD.ja, READER),
    ]


async def test_card_comes_into_the_reader_that_was_named_for_it(office: RenewalOffice, reader: CardReader) -> None:
    reader.insert(office.old, pin=OLD_PIN)
    office.person.hands = {
        renewal_words.INSERT_NEW.ja: lambda: threading.Timer(
            0.5, lambda: reader.insert(office.new, pin=NEW_PIN, second=True)
        ).start()
    }
    await office.renew(places=ReaderPlaces(new_reader="00 01"), most_seconds=30.0)
    assert office.renewals == 1


def test_places_are_refused_where_nobody_can_tell_them(reader: CardReader) -> None:
    with pytest.raises(Refusal, match="CARD_NOT_INSERTED"):
        ReaderPlaces().find()
    with pytest.raises(Refusal, match="CARD_READER_UNKNOWN"):
        ReaderPlaces(new_reader="no such reader").find()


def test_use_of_a_card_is_no_event_of_its_reader(reader: CardReader, office: RenewalOffice) -> None:
    card = reader.insert(office.old, pin=OLD_PIN)
    with watch_reader(READER) as watch:
        assert watch.is_occupied()
        with CardInReader(READER).open() as token:
            token.certificates()
        assert not watch.wait(0.3)
        reader.pull(card)
        assert watch.wait(5)
        assert not watch.is_occupied()
        began = time.monotonic()
        assert not watch.wait(0.2)
        assert time.monotonic() - began < 2


@pytest.mark.requirement("REN-01")
async def test_command_renews_at_a_terminal(office: RenewalOffice, reader: CardReader, tmp_path: Path) -> None:
    old = reader.insert(office.old, pin=OLD_PIN)
    authority = tmp_path / "authority.pem"
    authority.write_bytes(office.server.authority)

    def work() -> str:
        options = ("--endpoint", office.server.address, "--trust", str(authority), "--language", "ja")
        files = ("--state-directory", str(tmp_path / "state"), "--receipt", str(tmp_path / "result.txt"))
        with terminal_dialogue("renew", *options, *files) as dialogue:
            dialogue.answer("調達機関: ", "例示県")
            dialogue.answer("業務区分: ", "１")
            dialogue.answer("現在使用しているICカードがICカードリーダーに正しく挿入されていることを確認して", "")
            dialogue.answer("現在使用しているICカードのPIN（暗証番号）: ", OLD_PIN)
            dialogue.wait_for("新しいICカードがICカードリーダーに正しく挿入されていることを確認してください。")
            swap(reader, old, office.new, NEW_PIN)
            dialogue.answer("新しいICカードのPIN（暗証番号）: ", NEW_PIN)
            dialogue.answer("他の調達機関にも変更を自動反映する。", "")
            dialogue.answer("この内容でよろしければ更新ボタンを押してください", "ｙ")
            assert dialogue.wait_for_end() == 0
            return dialogue.transcript

    transcript = await asyncio.to_thread(work)
    assert office.renewals == 1
    for part in ("業者名: " + COMPANY, "これでICカードの更新は完了です。", "戻る"):
        assert part in transcript
    assert OLD_PIN not in transcript
    assert "【電子証明書更新結果】" in (tmp_path / "result.txt").read_text("utf-8")


async def test_ctrl_c_ends_the_wait_for_the_new_card(office: RenewalOffice, reader: CardReader, tmp_path: Path) -> None:
    reader.insert(office.old, pin=OLD_PIN)
    authority = tmp_path / "authority.pem"
    authority.write_bytes(office.server.authority)

    def work() -> str:
        options = ("--endpoint", office.server.address, "--trust", str(authority), "--language", "ja")
        with terminal_dialogue("renew", *options, "--state-directory", str(tmp_path / "state")) as dialogue:
            dialogue.answer("調達機関: ", "例示県")
            dialogue.answer("業務区分: ", "１")
            dialogue.answer("現在使用しているICカードがICカードリーダーに正しく挿入されていることを確認して", "")
            dialogue.answer("現在使用しているICカードのPIN（暗証番号）: ", OLD_PIN)
            dialogue.wait_for(renewal_words.WAITING_FOR_CARD.ja)
            dialogue.press_ctrl_c()
            assert dialogue.wait_for_end() == 130
            return dialogue.transcript

    assert renewal_words.STOPPED_WITHOUT_RENEWAL.ja in await asyncio.to_thread(work)
    assert office.renewals == 0
