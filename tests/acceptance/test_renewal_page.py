"""The pages docs/howto/renew-a-card.*.md show what a contractor reads at ICカード更新, in either language.

After a change of words, `pytest tests/acceptance/test_renewal_page.py --write-transcripts` writes their blocks anew.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from card_agent.console import renewal_words, words
from card_agent.console.words import Words
from refusals.language import Language
from simulators.certificate_authorities import IssuedCard
from tests.support.card_reader import CardReader
from tests.support.contractor import Contractor
from tests.support.contractor_at_terminal import PIN, ContractorAtTerminal
from tests.support.desk_at_terminal import INTERRUPTED, REFUSED, Desk
from tests.support.running_instance import Bidder, RunningInstance
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

# Roster numbers of the bidder of each page, which no other test has.
BIDDERS: dict[Language, int] = {"ja": 195, "en": 221}
WRONG_PIN = "135791"
HERE, EVERYWHERE = "1", "2"


def begin(desk: Desk, contractor: ContractorAtTerminal, registered: Contractor) -> None:
    """Chooses the place of the registration, says that the card in use is inserted, and types its PIN."""
    contractor.choose_place(registered.agency)
    acknowledge(desk, contractor, renewal_words.INSERT_OLD)
    contractor.answer(words.ASK_OLD_PIN, PIN)


def acknowledge(desk: Desk, contractor: ContractorAtTerminal, message: Words) -> None:
    """Presses Enter when a message is on the screen."""
    contractor.dialogue.wait_for(message.say(desk.language))
    contractor.dialogue.type("")


def swap(desk: Desk, contractor: ContractorAtTerminal, card: IssuedCard) -> None:
    """Puts a card in the place of the one in the reader, when the agent asks for it."""
    contractor.dialogue.wait_for(renewal_words.SWAP_CARDS.say(desk.language))
    desk.insert(card)


def ask_for_advice(desk: Desk, registered: Contractor) -> None:
    """The card in use expires soon."""
    with desk.start("advise") as contractor:
        contractor.choose_place(registered.agency)
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("advice"):
            contractor.dialogue.type(PIN)
            assert contractor.wait_for_end() == 0


def renew_in_one_reader(desk: Desk, registered: Contractor, new: IssuedCard) -> None:
    """From the start to the result, with one swap of the cards."""
    with desk.start("renew") as contractor, contractor.reading("whole"):
        begin(desk, contractor, registered)
        swap(desk, contractor, new)
        contractor.answer(words.ASK_NEW_PIN, PIN)
        contractor.answer(renewal_words.CHOOSE_PROPAGATION, EVERYWHERE)
        contractor.answer(renewal_words.PRESS_TO_RENEW, "y")
        assert contractor.wait_for_end() == 0


def use_the_old_card_again(desk: Desk, registered: Contractor) -> None:
    """The card that was replaced is good for nothing at this agency."""
    desk.insert(registered.card)
    with desk.start("change") as contractor:
        contractor.choose_place(registered.agency)
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("replaced"):
            contractor.dialogue.type(PIN)
            assert contractor.wait_for_end() == REFUSED


def make_mistakes(desk: Desk, registered: Contractor, new: IssuedCard) -> None:
    """The card in use is inserted once more, the new one's PIN is wrong, and Ctrl-C at last."""
    with desk.start("renew") as contractor:
        begin(desk, contractor, registered)
        with contractor.reading("still-the-old-card"):
            swap(desk, contractor, registered.card)
            contractor.dialogue.wait_for(renewal_words.STILL_THE_OLD_CARD.say(desk.language))
            desk.insert(new)
            contractor.wait_for(words.ASK_NEW_PIN)
        with contractor.reading("wrong-pin"):
            contractor.dialogue.type(WRONG_PIN)
            contractor.answer(words.TRY_AGAIN, "y")
            contractor.wait_for(words.ASK_NEW_PIN)
        contractor.dialogue.type(PIN)
        contractor.answer(renewal_words.CHOOSE_PROPAGATION, HERE)
        contractor.wait_for(renewal_words.PRESS_TO_RENEW)
        with contractor.reading("stopped"):
            contractor.dialogue.press_ctrl_c()
            assert contractor.wait_for_end() == INTERRUPTED
    desk.insert(registered.card)


def bring_a_wrong_card(desk: Desk, registered: Contractor, taken: IssuedCard) -> None:
    """New cards that can't take the place: of another company, and one that is registered already."""
    other_company = desk.instance.ca.issue(company="別会社株式会社")
    for name, card in (("company-differs", other_company), ("already-registered", taken)):
        desk.insert(registered.card)
        with desk.start("renew") as contractor:
            begin(desk, contractor, registered)
            swap(desk, contractor, card)
            contractor.wait_for(words.ASK_NEW_PIN)
            with contractor.reading(name):
                contractor.dialogue.type(PIN)
                assert contractor.wait_for_end() == REFUSED
    desk.insert(registered.card)


def use_two_readers(desk: Desk, registered: Contractor, new: IssuedCard) -> None:
    """The new card lies in a second reader, and stays there."""
    desk.insert(registered.card)
    desk.insert(new, second=True)
    with desk.start("renew") as contractor:
        contractor.choose_place(registered.agency)
        with contractor.reading("two-readers"):
            acknowledge(desk, contractor, renewal_words.INSERT_OLD)
            contractor.answer(words.ASK_OLD_PIN, PIN)
            acknowledge(desk, contractor, renewal_words.INSERT_NEW)
            contractor.wait_for(words.ASK_NEW_PIN)
        contractor.dialogue.type(PIN)
        contractor.answer(renewal_words.CHOOSE_PROPAGATION, HERE)
        contractor.answer(renewal_words.PRESS_TO_RENEW, "n")
        assert contractor.wait_for_end() == REFUSED
    desk.pull(second=True)


def use_an_expired_card(desk: Desk, registered: Contractor, bidder: Bidder) -> None:
    """The day was missed."""
    now = datetime.now(UTC)
    desk.insert(
        desk.instance.ca.issue(
            company=bidder.name, not_before=now - timedelta(days=800), not_after=now - timedelta(days=1)
        )
    )
    with desk.start("renew") as contractor:
        contractor.choose_place(registered.agency)
        with contractor.reading("expired"):
            acknowledge(desk, contractor, renewal_words.INSERT_OLD)
            assert contractor.wait_for_end() == REFUSED


def hold_dialogues(desk: Desk, bidder: Bidder, registered: Contractor, taken: IssuedCard) -> None:
    """Holds all dialogues with the running instance."""
    new = desk.new_card(bidder)
    desk.insert(registered.card)
    ask_for_advice(desk, registered)
    make_mistakes(desk, registered, new)
    bring_a_wrong_card(desk, registered, taken)
    use_two_readers(desk, registered, new)
    renew_in_one_reader(desk, registered, new)
    use_the_old_card_again(desk, registered)
    use_an_expired_card(desk, registered, bidder)
    desk.pull()


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_page_shows_what_a_contractor_reads(
    instance: RunningInstance, reader: CardReader, tmp_path: Path, language: Language, request: pytest.FixtureRequest
) -> None:
    desk = Desk(instance, reader, tmp_path, language, asyncio.get_running_loop())
    bidder = instance.bidder(BIDDERS[language])
    # It expires so soon that it is time for a renewal.
    soon = instance.ca.issue(company=bidder.name, not_after=datetime.now(UTC) + timedelta(days=45))
    registered = instance.contractor(card=soon, bidder=bidder)
    second = instance.contractor(card=desk.new_card(bidder), bidder=bidder)
    await registered.whole()
    await second.whole()
    for agency in bidder.agencies:
        await instance.poll(
            partial(instance.resolve, registered, agency),
            lambda answer: answer.verdict == ResolveUserResponse.VERDICT_GOOD,
        )
    await asyncio.to_thread(hold_dialogues, desk, bidder, registered, second.card)
    desk.compare("renew-a-card", [PIN, bidder.password], write=request.config.getoption("--write-transcripts"))
