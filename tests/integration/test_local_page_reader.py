"""The agent's pages with a real reader: what happens to it between two signatures has its message (CRD-01, CRD-09)."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from card_agent.media.insertions import InsertionCounter
from card_agent.media.inventory import MediaSources, find_media
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.card_reader import CardReader
from tests.support.my_number_card import SIGNATURE_PASSWORD, my_number_card
from tests.support.page_agent import PageAgent, running_page_agent
from tests.support.purposes import make_act, make_log_in

PIN = "123456"


@pytest.fixture
def issued(card_authority: CertificateAuthority) -> IssuedCard:
    return card_authority.issue(key=new_ec_key())


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[PageAgent]:
    with running_page_agent(tmp_path) as pages:
        pages.agent.find_media = lambda issuers: find_media(MediaSources(), issuers, datetime.now(UTC))
        pages.agent.count_insertions = InsertionCounter().count
        yield pages


def test_pin_serves_the_second_signature_of_a_card_that_stayed_in(
    reader: CardReader, issued: IssuedCard, pages: PageAgent
) -> None:
    reader.insert(issued)
    handoff = pages.open_portal()
    assert pages.choose_card(handoff).answer["certificate"]
    assert pages.sign(handoff, make_log_in(issued), PIN).answer["signature"]
    assert pages.sign(handoff, make_act(issued)).answer["signature"]


@pytest.mark.requirement("CRD-09")
def test_card_that_was_out_meanwhile_needs_its_pin_again(
    reader: CardReader, issued: IssuedCard, pages: PageAgent
) -> None:
    card = reader.insert(issued)
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    pages.sign(handoff, make_log_in(issued), PIN)
    reader.put_back(card)
    forgotten = pages.sign(handoff, make_act(issued))
    assert "ICカードが抜かれたか" in forgotten.text
    assert pages.post("/sign", {"token": forgotten.token, "pin": PIN}).answer["signature"]


@pytest.mark.requirement("CRD-09")
def test_service_stopped_and_reader_unplugged_have_their_message_and_the_next_try_works(
    reader: CardReader, issued: IssuedCard, pages: PageAgent
) -> None:
    card = reader.insert(issued)
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    reader.service.stop()
    stopped = pages.sign(handoff, make_log_in(issued), PIN)
    assert "スマートカードサービスが動いていません" in stopped.text
    card.pull()
    reader.service.start()
    missing = pages.sign(handoff, make_log_in(issued), PIN)
    assert "ICカードが挿入されていません" in missing.text
    reader.insert(issued)
    assert pages.sign(handoff, make_log_in(issued), PIN).answer["signature"]


@pytest.mark.usefixtures("reader")
def test_file_with_a_name_in_kanji_serves_beside_the_readers(
    issued: IssuedCard, pages: PageAgent, tmp_path: Path
) -> None:
    file = tmp_path / "山田 太郎.p12"
    file.write_bytes(issued.pkcs12(PIN.encode()))
    pages.agent.find_media = lambda issuers: find_media(MediaSources(files=(file,)), issuers, datetime.now(UTC))
    handoff = pages.open_portal()
    page = pages.choose_card(handoff)
    assert "山田太郎.p12" in page.text
    key = re.findall(r'name="certificate"[^>]*value="([^"]+)"', page.body)[-1]
    assert pages.post("/card", {"token": page.token, "certificate": key, "pin": PIN}).answer["certificate"]
    assert pages.sign(handoff, make_log_in(issued)).answer["signature"]


@pytest.mark.requirement("CRD-08")
def test_my_number_card_is_read_after_its_pin_which_then_serves_both_signatures(
    reader: CardReader, card_authority: CertificateAuthority, pages: PageAgent
) -> None:
    issued = card_authority.issue_personal()
    reader.insert_application(my_number_card(issued))
    handoff = pages.open_portal()
    page = pages.choose_card(handoff)
    assert 'name="pin"' in page.body
    assert "ほかの利用（電子申請など）と共通" in page.text
    wrong = pages.post("/card", {"token": page.token, "certificate": "1", "pin": "WRONG1"})
    assert "残り4回です" in wrong.text
    chosen = pages.post("/card", {"token": wrong.token, "certificate": "1", "pin": SIGNATURE_PASSWORD})
    assert base64.b64decode(chosen.answer["certificate"]) == issued.der
    assert pages.sign(handoff, make_log_in(issued)).answer["signature"]
    assert pages.sign(handoff, make_act(issued)).answer["signature"]
