"""The pages docs/howto/change-a-contact.*.md show what a contractor reads at 変更, at the menu and at an advice.

After a change of words, `pytest tests/acceptance/test_change_page.py --write-transcripts` writes their blocks anew.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from card_agent.console import advice_words, change_words, words
from refusals.language import Language
from tests.support.card_reader import CardReader
from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import Contractor
from tests.support.contractor_at_terminal import PIN, ContractorAtTerminal
from tests.support.desk_at_terminal import INTERRUPTED, REFUSED, Desk
from tests.support.infrastructure.held_answers import relay_to
from tests.support.running_instance import Bidder, RunningInstance
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

# Roster numbers of the bidder of each page, which no other test has.
BIDDERS: dict[Language, int] = {"ja": 247, "en": 234}
SECTIONS = {"representative": "1", "card": "2", "both": "3", "nothing": "4"}
EVERYWHERE, HERE = "1", "2"


def enter(desk: Desk, contractor: ContractorAtTerminal, registered: Contractor) -> None:
    """Chooses the place of the registration, and types the PIN."""
    contractor.choose_place(registered.agency)
    contractor.answer(words.ASK_PIN, PIN)
    contractor.wait_for(change_words.CHOOSE_SECTIONS)


def change_without_a_mistake(desk: Desk, registered: Contractor) -> None:
    """From the start to the receipt: another person, and another mail address."""
    with desk.start("change") as contractor, contractor.reading("whole"):
        enter(desk, contractor, registered)
        contractor.dialogue.type(SECTIONS["card"])
        contractor.keep_contact({"person_name": "建築 次郎", "mail_address": "kenchiku@contractor.example"})
        contractor.answer(change_words.CHOOSE_PROPAGATION, EVERYWHERE)
        contractor.answer(change_words.PRESS_TO_CHANGE, "y")
        contractor.answer(change_words.CONFIRM_ACT, "y")
        assert contractor.wait_for_end() == 0


def only_look(desk: Desk, registered: Contractor) -> None:
    """What is registered is looked at, and left as it is."""
    with desk.start("change") as contractor:
        enter(desk, contractor, registered)
        with contractor.reading("looked-at"):
            contractor.dialogue.type(SECTIONS["nothing"])
            assert contractor.wait_for_end() == 0
    with desk.start("change") as contractor:
        enter(desk, contractor, registered)
        contractor.dialogue.type(SECTIONS["card"])
        contractor.wait_for_contact()
        with contractor.reading("nothing-typed"):
            contractor.keep_contact()
            assert contractor.wait_for_end() == 0


def make_mistakes(desk: Desk, registered: Contractor) -> None:
    """A wrong mail address, a correction, another change that came first, and Ctrl-C at last."""
    other = desk.wait_for(register_another_card(desk, registered))
    with desk.start("change") as contractor:
        enter(desk, contractor, registered)
        contractor.dialogue.type(SECTIONS["representative"])
        contractor.wait_for_contact()
        with contractor.reading("wrong-field", until=change_words.DESTINATION):
            contractor.keep_contact({"telephone": "048000000"})
            contractor.answer(change_words.CHOOSE_PROPAGATION, HERE)
            contractor.answer(words.TYPE_AGAIN, "y")
            contractor.answer_contact_field("telephone", "048-000-9999")
            contractor.wait_for(change_words.PRESS_TO_CHANGE)
        with contractor.reading("correction", until=change_words.DESTINATION):
            contractor.dialogue.type("b")
            contractor.wait_for(words.CHOOSE_CORRECTION)
            contractor.dialogue.type("8")
            contractor.answer(change_words.CHOOSE_PROPAGATION, EVERYWHERE)
            contractor.wait_for(words.CHOOSE_CORRECTION)
            contractor.answer_last_option()
            contractor.wait_for(change_words.PRESS_TO_CHANGE)
        desk.wait_for(change_first(other))
        contractor.dialogue.type("y")
        with contractor.reading("changed-meanwhile"):
            contractor.wait_for(change_words.CONFIRM_AFTER_OTHERS)
            contractor.dialogue.type("y")
            contractor.wait_for(change_words.PRESS_TO_CHANGE)
        contractor.dialogue.type("y")
        contractor.wait_for(change_words.CONFIRM_ACT)
        with contractor.reading("stopped"):
            contractor.dialogue.press_ctrl_c()
            assert contractor.wait_for_end() == INTERRUPTED


async def register_another_card(desk: Desk, registered: Contractor) -> Contractor:
    """Registers a second card of the same bidder."""
    bidder = desk.instance.bidder_of(registered)
    other = desk.instance.contractor(card=desk.new_card(bidder), bidder=bidder)
    await other.whole()
    return other


async def change_first(other: Contractor) -> None:
    """The second card changes the contact that all cards share."""
    changing = ChangingContractor(other.channel, other.card, other.agency, other.category)
    await changing.enter()
    await changing.look()
    changing.representative_contact.person_name = "窓口 三郎"
    changing.representative_contact.telephone = "048-000-7777"
    await changing.prepare()
    await changing.submit()


def lose_the_answer(desk: Desk, registered: Contractor) -> None:
    """The network fails after the commit, the contractor presses Ctrl-C, and starts again."""

    async def wait_until_changed() -> None:
        await desk.instance.poll(
            lambda: desk.instance.contact(registered, "card"),
            lambda contact: contact is not None and contact.fax == "048-000-5555",
        )

    with relay_to(desk.instance.launched.front_door) as relay, desk.start("change", endpoint=relay.endpoint) as at:
        enter(desk, at, registered)
        at.dialogue.type(SECTIONS["card"])
        at.keep_contact({"fax": "048-000-5555"})
        at.answer(change_words.CHOOSE_PROPAGATION, EVERYWHERE)
        at.answer(change_words.PRESS_TO_CHANGE, "y")
        at.wait_for(change_words.CONFIRM_ACT)
        with at.reading("stopped-without-answer"):
            relay.may_answer.clear()
            at.dialogue.type("y")
            desk.wait_for(wait_until_changed())
            at.dialogue.press_ctrl_c()
            assert at.wait_for_end() == INTERRUPTED
    with desk.start("change") as contractor:
        contractor.choose_place(registered.agency)
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("started-again"):
            contractor.dialogue.type(PIN)
            assert contractor.wait_for_end() == 0


def be_refused(desk: Desk, bidder: Bidder, registered: Contractor) -> None:
    """A card that is not registered at the agency, and one that has expired."""
    desk.insert(desk.new_card(bidder))
    with desk.start("change") as contractor:
        contractor.choose_place(registered.agency)
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("not-registered"):
            contractor.dialogue.type(PIN)
            assert contractor.wait_for_end() == REFUSED
    now = datetime.now(UTC)
    desk.insert(
        desk.instance.ca.issue(
            company=bidder.name, not_before=now - timedelta(days=800), not_after=now - timedelta(days=70)
        )
    )
    with desk.start("advise") as contractor, contractor.reading("advice-expired"):
        assert contractor.wait_for_end() == 0


def choose_in_the_menu(desk: Desk, registered: Contractor) -> None:
    """The menu, and from it the advice for the registered card."""
    with desk.start("menu") as contractor:
        with contractor.reading("menu"):
            contractor.wait_for(advice_words.CHOOSE_OPERATION)
            contractor.dialogue.type("4")
            contractor.wait_for(words.CHOOSE_AGENCY)
        contractor.choose_place(registered.agency)
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("advice"):
            contractor.dialogue.type(PIN)
            assert contractor.wait_for_end() == 0


def hold_dialogues(desk: Desk, bidder: Bidder, registered: Contractor) -> None:
    """Holds all dialogues with the running instance."""
    desk.insert(registered.card)
    change_without_a_mistake(desk, registered)
    only_look(desk, registered)
    make_mistakes(desk, registered)
    lose_the_answer(desk, registered)
    choose_in_the_menu(desk, registered)
    be_refused(desk, bidder, registered)
    desk.pull()


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_page_shows_what_a_contractor_reads(
    instance: RunningInstance, reader: CardReader, tmp_path: Path, language: Language, request: pytest.FixtureRequest
) -> None:
    desk = Desk(instance, reader, tmp_path, language, asyncio.get_running_loop())
    bidder = instance.bidder(BIDDERS[language])
    registered = instance.contractor(card=desk.new_card(bidder), bidder=bidder)
    await registered.whole()
    for agency in bidder.agencies:
        await instance.poll(
            partial(instance.resolve, registered, agency),
            lambda answer: answer.verdict == ResolveUserResponse.VERDICT_GOOD,
        )
    await asyncio.to_thread(hold_dialogues, desk, bidder, registered)
    secrets = [PIN, bidder.password]
    desk.compare("change-a-contact", secrets, write=request.config.getoption("--write-transcripts"))
