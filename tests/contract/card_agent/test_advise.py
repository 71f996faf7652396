"""`card-agent advise`: the front door's advice as it is shown, and the agent's own for a card that has expired."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from card_agent.advice.expired import advise_on_expired
from card_agent.signing.certificate import describe_certificate
from front_door.domain.advice_words import CONSEQUENCES, REASONS, Situation
from instance_profile.base import Text
from refusals import Code, Refusal
from tests.support.changing_office import ChangingOffice
from tests.support.example_profile import CITY
from tests.support.services.front_door import MORNING
from toroku.certificate.v1 import card_pb2

EXPIRY = "期限"
TITLE = "このICカードでの手続き"
PAPER = "紙で応札可能か相談してください。"


@pytest.fixture(name="office")
def office_of_this_file(changing_office: ChangingOffice) -> ChangingOffice:
    """The office, whose card is registered at the prefecture."""
    return changing_office


@pytest.mark.requirement("REN-05")
async def test_registered_card_is_to_be_kept_and_changed_where_contacts_change(office: ChangingOffice) -> None:
    advice = await office.advise()
    person = office.person
    assert advice.operation == card_pb2.OPERATION_CHANGE
    assert person.value(TITLE, "適切な操作") == "変更"
    assert "利用者登録されています" in person.value(TITLE, "現在の状態")
    assert any("「変更」を選んでください" in line for line in person.lines)
    assert any(
        "既に提出した競争参加資格申請書等の参加申請書の連絡先には反映されません" in line for line in person.lines
    )
    # A look changes nothing: one signature, no session left, nothing sent but the log-in.
    assert (office.signed, office.changes, office.server.cards.sessions) == (1, 0, {})
    assert office.server.contacts.commits == []


@pytest.mark.requirement("REN-05")
async def test_card_that_is_not_registered_here_is_to_be_registered(office: ChangingOffice) -> None:
    office.send_person(agency=CITY)
    advice = await office.advise()
    assert advice.operation == card_pb2.OPERATION_REGISTRATION
    assert office.person.value(TITLE, "適切な操作") == "登録"
    assert any("この調達機関を選んで「登録」を行うと" in line for line in office.person.lines)


@pytest.mark.requirement("REN-05")
async def test_new_card_is_to_be_registered_and_renewed_only_under_the_conditions(office: ChangingOffice) -> None:
    other = ChangingOffice(office.server, office.unfinished.directory)
    other.send_person()
    advice = await other.advise()
    assert advice.operation == card_pb2.OPERATION_REGISTRATION
    assert "この操作が適切でない場合" in other.person.titles
    assert any("「ICカード更新」ではなく「登録」を選んでください" in line for line in other.person.lines)


@pytest.mark.requirement("REN-05")
@pytest.mark.requirement("LIF-06")
async def test_card_that_expires_soon_is_to_be_renewed_by_its_last_day(office: ChangingOffice) -> None:
    now = datetime.now(UTC)
    soon = ChangingOffice(office.server, office.unfinished.directory, not_after=MORNING + timedelta(days=20))
    await soon.have_registered()
    soon.send_person()
    advice = await soon.advise(now=min(now, MORNING))
    person = soon.person
    assert advice.operation == card_pb2.OPERATION_RENEWAL
    assert person.value(TITLE, "適切な操作") == "ICカード更新"
    assert person.value(TITLE, EXPIRY).startswith("2026年12月17日")
    assert any(PAPER in line for line in person.lines)
    # The gap between a card's issue and its activation, and running tenders.
    assert any("発行してから使用できるようになるまで日数がかかる" in line for line in person.lines)
    assert any("進行中の案件を新しいICカードで続けられます" in line for line in person.lines)


@pytest.mark.requirement("LIF-06")
@pytest.mark.requirement("REN-05")
async def test_expired_card_is_answered_before_any_call_and_without_its_pin(office: ChangingOffice) -> None:
    office.proxy.calls.clear()
    advice = await office.advise(now=datetime(2999, 1, 1, tzinfo=UTC))
    person = office.person
    assert advice.operation == card_pb2.OPERATION_REGISTRATION
    assert office.proxy.calls == {}
    assert (person.pins_asked, office.signed, office.piv.tries_left) == (0, 0, 3)
    assert person.value(TITLE, "適切な操作") == "登録"
    assert "切れています" in person.value(TITLE, "現在の状態")
    assert any(PAPER in line for line in person.lines)
    assert any("以前のICカードの証明書シリアル番号を入力してください" in line for line in person.lines)


async def test_card_that_expired_by_the_servers_clock_gets_the_same_advice(office: ChangingOffice) -> None:
    def refuse(_request: Any, _ask: Any) -> Any:
        raise Refusal("CERTIFICATE_EXPIRED", Code.FAILED_PRECONDITION, {"date": "2026/11/27"})

    office.proxy.answers["BeginAdvice"] = refuse
    advice = await office.advise()
    assert advice == advise_on_expired(describe_certificate(office.card.certificate))
    assert office.person.pins_asked == 0


def test_agents_own_advice_is_that_of_the_front_door(office: ChangingOffice) -> None:
    names = {"registration": Text(ja="登録", en="Registration")}
    advice = advise_on_expired(describe_certificate(office.card.certificate))
    for own, sentences in ((advice.reasons, REASONS), (advice.consequences, CONSEQUENCES)):
        expected = [sentence.fill(names) for sentence in sentences[Situation.EXPIRED]]
        assert [(text.ja, text.en) for text in own] == [(text.ja, text.en) for text in expected]


async def test_advice_is_given_at_any_hour(office: ChangingOffice) -> None:
    office.server.clock.japan(22, 0)
    assert (await office.advise()).operation == card_pb2.OPERATION_CHANGE
