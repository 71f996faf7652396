"""The pages docs/howto/register-a-card.*.md show what a contractor reads at the terminal, in either language.

After a change of words, `pytest tests/acceptance/test_register_page.py --write-transcripts` writes their blocks anew.
"""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from card_agent.console import words
from instance_profile import load_profile
from qualification_registry.domain.bidders import BidderStatus
from refusals.language import Language
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from tests.support.card_reader import CardReader
from tests.support.contractor_at_terminal import PIN
from tests.support.desk_at_terminal import INTERRUPTED, REFUSED, Desk
from tests.support.infrastructure.held_answers import relay_to
from tests.support.running_instance import PROFILE, Bidder, RunningInstance
from tests.support.services.front_door import running_front_door
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

# Wrong searches of one card for one bidder, until there are too many.
TRIES = 5
# Roster numbers of the bidders of each page, which no other test has: one to register, one to make mistakes with, one
# at an agency where the first is not qualified, one that is stopped, and one whose answer is lost.
BIDDERS: dict[Language, tuple[int, int, int, int, int]] = {
    "ja": (273, 299, 265, 266, 270),
    "en": (286, 312, 278, 279, 283),
}


def register_without_a_mistake(desk: Desk, bidder: Bidder) -> None:
    """From the start to the receipt."""
    with desk.register() as contractor, contractor.reading("whole"):
        contractor.choose_place(bidder.agencies[0])
        contractor.answer(words.ASK_PIN, PIN)
        contractor.search(bidder.name, bidder.bidder_id, bidder.password)
        contractor.fill_in_contact({"person_name": "代表 花子", "mail_address": "daihyo@contractor.example"})
        contractor.answer_whether_same("n")
        contractor.fill_in_contact()
        contractor.answer(words.PERSON_IN_CHARGE, "土木 一郎")
        contractor.answer(words.PREDECESSOR_SERIAL, "")
        contractor.answer(words.CONFIRM_VALUES, "y")
        contractor.answer(words.CONFIRM_ACT, "y")
        assert contractor.wait_for_end() == 0


def register_again(desk: Desk, bidder: Bidder, other: Bidder) -> None:
    """The card is registered: at the same agency, and for another bidder elsewhere."""
    with desk.register() as contractor:
        contractor.choose_place(bidder.agencies[0])
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("already-registered"):
            contractor.answer(words.ASK_PIN, PIN)
            assert contractor.wait_for_end() == REFUSED
    with desk.register() as contractor:
        contractor.choose_place(other.agencies[0])
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("bound-to-another"):
            contractor.answer(words.ASK_PIN, PIN)
            contractor.search(other.name, other.bidder_id, other.password)
            assert contractor.wait_for_end() == REFUSED


def have_trouble_with_the_reader(desk: Desk, bidder: Bidder) -> None:
    """No reader, no card, and a wrong PIN until the card is blocked."""
    desk.pull()
    service = desk.reader.service
    service.stop()
    service.start(readers=False)
    with desk.register() as contractor:
        contractor.choose_place(bidder.agencies[0])
        with contractor.reading("no-reader"):
            contractor.wait_for(words.TRY_AGAIN)
        service.stop()
        service.start()
        with contractor.reading("no-card", until=words.CARD):
            contractor.dialogue.type("y")
            contractor.wait_for(words.TRY_AGAIN)
            desk.insert(desk.new_card(bidder))
            contractor.dialogue.type("y")
            contractor.wait_for(words.ASK_PIN)
        with contractor.reading("wrong-pin"):
            contractor.answer(words.ASK_PIN, "135791")
            contractor.answer(words.TRY_AGAIN, "y")
            contractor.wait_for(words.ASK_PIN)
        contractor.dialogue.type("135791")
        contractor.answer(words.TRY_AGAIN, "y")
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("blocked-card"):
            contractor.dialogue.type("135791")
            assert contractor.wait_for_end() == REFUSED


def make_mistakes(desk: Desk, bidder: Bidder) -> None:
    """Everything that can be typed wrongly, a card that is pulled, and Ctrl-C at last."""
    card = desk.insert(desk.new_card(bidder))
    with desk.register() as contractor:
        contractor.wait_for(words.CHOOSE_AGENCY)
        with contractor.reading("unknown-agency"):
            contractor.dialogue.type({"ja": "さいたま県", "en": "Saitama"}[desk.language])
            contractor.wait_for(words.CHOOSE_AGENCY)
        contractor.choose_place(bidder.agencies[0])
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("pulled-card"):
            card.pull_during_sign = True
            contractor.dialogue.type(PIN)
            contractor.wait_for(words.TRY_AGAIN)
            desk.reader.put_back(card)
            contractor.dialogue.type("y")
            contractor.answer(words.ASK_PIN, PIN)
            contractor.wait_for_search()
        with contractor.reading("abbreviated-name"):
            contractor.search("(株)登録建設", f"{bidder.bidder_id[:9]}９", bidder.password)
            contractor.answer(words.TYPE_AGAIN, "はい")
            contractor.wait_for_search()
        with contractor.reading("not-found"):
            contractor.search(bidder.name, "1000009999", bidder.password)
            contractor.answer(words.TYPE_AGAIN, "ｙ")
            contractor.wait_for_search()
        contractor.search(bidder.name, bidder.bidder_id, bidder.password)
        contractor.wait_for_contact()
        with contractor.reading("wrong-contact", until=words.DESTINATION):
            contractor.fill_in_contact({"postal_code": "330-93", "mail_address": "koji@contractor"})
            contractor.answer_whether_same("はい")
            contractor.answer(words.PERSON_IN_CHARGE, "")
            contractor.answer(words.PREDECESSOR_SERIAL, "")
            contractor.answer(words.TYPE_AGAIN, "はい")
            for _ in range(2):
                contractor.answer_contact_field("postal_code", "330-9301")
                contractor.answer_contact_field("mail_address", "koji@contractor.example")
            contractor.wait_for(words.CONFIRM_VALUES)
        with contractor.reading("no-answer"):
            contractor.dialogue.type("ok")
            contractor.wait_for(words.CONFIRM_VALUES)
        with contractor.reading("correction", until=words.DESTINATION):
            contractor.dialogue.type("b")
            contractor.answer(words.CHOOSE_CORRECTION, "4")
            contractor.answer_contact_field("person_name", "建築 次郎")
            contractor.wait_for(words.CHOOSE_CORRECTION)
            contractor.answer_last_option()
            contractor.answer(words.CONFIRM_VALUES, "ｙ")
            contractor.wait_for(words.CONFIRM_ACT)
        with contractor.reading("stopped"):
            contractor.dialogue.press_ctrl_c()
            assert contractor.wait_for_end() == INTERRUPTED


def be_stopped(desk: Desk, bidder: Bidder, other: Bidder) -> None:
    """The bidder may not register, or not today, or not for the next minutes. The card is the one in the reader."""
    desk.change_status(bidder, BidderStatus.ENDED)
    with desk.register() as contractor:
        contractor.choose_place(bidder.agencies[0])
        contractor.answer(words.ASK_PIN, PIN)
        contractor.wait_for_search()
        with contractor.reading("ended"):
            contractor.search(bidder.name, bidder.bidder_id, bidder.password)
            contractor.wait_for(words.TYPE_AGAIN)
            desk.change_status(bidder, BidderStatus.SUSPENDED)
            contractor.dialogue.type("y")
            contractor.wait_for_search()
        with contractor.reading("suspended"):
            contractor.search(bidder.name, bidder.bidder_id, bidder.password)
            assert contractor.wait_for_end() == REFUSED
    desk.change_status(bidder, BidderStatus.ACTIVE)
    password = desk.change_password(bidder)
    with desk.register() as contractor:
        contractor.choose_place(bidder.agencies[0])
        contractor.answer(words.ASK_PIN, PIN)
        contractor.wait_for_search()
        with contractor.reading("changed-password"):
            contractor.search(bidder.name, bidder.bidder_id, password)
            assert contractor.wait_for_end() == REFUSED
    with desk.register() as contractor:
        contractor.choose_place(other.agencies[0])
        contractor.answer(words.ASK_PIN, PIN)
        for _ in range(TRIES):
            contractor.search(other.name, other.bidder_id, "Wrong123")
            contractor.answer(words.TYPE_AGAIN, "y")
        contractor.wait_for_search()
        with contractor.reading("too-many-tries"):
            contractor.search(other.name, other.bidder_id, "Wrong123")
            assert contractor.wait_for_end() == REFUSED


def use_bad_cards(desk: Desk, bidder: Bidder) -> None:
    """Cards that no contractor can register."""
    now = datetime.now(UTC)
    expired = desk.instance.ca.issue(
        company=bidder.name, not_before=now - timedelta(days=800), not_after=now - timedelta(days=70)
    )
    unknown = CertificateAuthority.create("Another CA").issue(company=bidder.name)
    for name, issued in (("expired", expired), ("revoked", desk.instance.revoked_card), ("unknown-ca", unknown)):
        desk.insert(issued)
        with desk.register() as contractor:
            contractor.choose_place(bidder.agencies[0])
            with contractor.reading(name):
                assert contractor.wait_for_end() == REFUSED


def lose_the_answer(desk: Desk, bidder: Bidder) -> None:
    """The network fails after the commit, the contractor presses Ctrl-C, and starts again."""
    issued = desk.new_card(bidder)
    desk.insert(issued)
    registered = desk.instance.contractor(card=issued, bidder=bidder)

    async def wait_until_registered() -> None:
        await desk.instance.poll(
            lambda: desk.instance.resolve(registered), lambda answer: answer.verdict == ResolveUserResponse.VERDICT_GOOD
        )

    with relay_to(desk.instance.launched.front_door) as relay, desk.register(endpoint=relay.endpoint) as contractor:
        contractor.choose_place(bidder.agencies[0])
        contractor.answer(words.ASK_PIN, PIN)
        contractor.search(bidder.name, bidder.bidder_id, bidder.password)
        contractor.fill_in_contact()
        contractor.answer_whether_same("y")
        contractor.answer(words.PERSON_IN_CHARGE, "")
        contractor.answer(words.PREDECESSOR_SERIAL, "")
        contractor.answer(words.CONFIRM_VALUES, "y")
        contractor.wait_for(words.CONFIRM_ACT)
        with contractor.reading("stopped-without-answer"):
            relay.may_answer.clear()
            contractor.dialogue.type("y")
            desk.wait_for(wait_until_registered())
            contractor.dialogue.press_ctrl_c()
            assert contractor.wait_for_end() == INTERRUPTED
    with desk.register() as contractor:
        contractor.choose_place(bidder.agencies[0])
        contractor.wait_for(words.ASK_PIN)
        with contractor.reading("started-again"):
            contractor.dialogue.type(PIN)
            assert contractor.wait_for_end() == 0


def not_reach_the_server(desk: Desk) -> None:
    """Nobody answers, or somebody else."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{unused.getsockname()[1]}"
        with desk.register(endpoint=nowhere) as contractor, contractor.reading("not-reached"):
            contractor.answer(words.TRY_AGAIN, "n")
            assert contractor.wait_for_end() == REFUSED
    stranger = desk.folder / "stranger.pem"
    stranger.write_text(CertificateAuthority.create("Stranger", key=new_ec_key()).pem)
    with desk.register("--trust", str(stranger)) as contractor, contractor.reading("not-trusted"):
        assert contractor.wait_for_end() == REFUSED


async def come_too_late(desk: Desk) -> None:
    """Outside the opening hours, which the running instance has not."""
    async with running_front_door(load_profile(PROFILE), desk.folder) as server:
        server.clock.japan(20, 30)
        trust = desk.folder / "front-door.pem"
        trust.write_bytes(server.authority)

        def talk() -> None:
            options = ("--trust", str(trust))
            with desk.register(*options, endpoint=server.address) as contractor, contractor.reading("closed"):
                assert contractor.wait_for_end() == REFUSED

        await asyncio.to_thread(talk)


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_page_shows_what_a_contractor_reads(
    instance: RunningInstance, reader: CardReader, tmp_path: Path, language: Language, request: pytest.FixtureRequest
) -> None:
    desk = Desk(instance, reader, tmp_path, language, asyncio.get_running_loop())
    bidders = [instance.bidder(number) for number in BIDDERS[language]]
    await asyncio.to_thread(hold_dialogues, desk, *bidders)
    await come_too_late(desk)
    secrets = [PIN, *(bidder.password for bidder in bidders)]
    desk.compare("register-a-card", secrets, write=request.config.getoption("--write-transcripts"))


def hold_dialogues(
    desk: Desk, registering: Bidder, mistaken: Bidder, other: Bidder, stopped: Bidder, unanswered: Bidder
) -> None:
    """Holds all dialogues with the running instance."""
    not_reach_the_server(desk)
    have_trouble_with_the_reader(desk, registering)
    desk.insert(desk.new_card(registering))
    register_without_a_mistake(desk, registering)
    register_again(desk, registering, other)
    make_mistakes(desk, mistaken)
    be_stopped(desk, stopped, other)
    lose_the_answer(desk, unanswered)
    use_bad_cards(desk, registering)
    desk.pull()
