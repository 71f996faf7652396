"""The agent's side of ICカード更新 against the real front door in this process: cards, screens, and what is signed."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from card_agent.console import renewal_words
from card_agent.console.person import Answer
from card_agent.renewal.result import compose_result
from refusals import Refusal
from simulators.virtual_piv import PivApplication
from tests.support.card_in_memory import CardInMemory, PivInMemory
from tests.support.example_profile import BIDDER, CITY, TOWN, example_profile
from tests.support.office import ADDRESS_FOR_ANSWER
from tests.support.reader_in_memory import PlacesInMemory, ReaderInMemory
from tests.support.renewal_office import NEW_PIN, OLD_PIN, RenewalOffice
from tests.support.services.front_door import COMPANY, running_front_door
from tests.support.tampering_proxy import altered_answer

OLD, NEW = renewal_words.OLD_CARD.ja, renewal_words.NEW_CARD.ja


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[RenewalOffice]:
    async with running_front_door(example_profile(), tmp_path) as server:
        office = RenewalOffice(server, tmp_path)
        await office.register_old(CITY, TOWN)
        yield office


@pytest.mark.requirement("REN-01")
async def test_cards_are_swapped_once_in_one_reader(office: RenewalOffice) -> None:
    done = await office.renew()
    result = done.result
    assert result.registration.bidder_id == BIDDER
    assert result.old_card.certificate_sha256 == office.old.sha256
    assert result.new_card.certificate_sha256 == office.new.sha256
    assert office.renewals == 1
    assert (office.signatures(office.old_piv), office.signatures(office.new_piv)) == (2, 2)
    assert office.person.told.count(renewal_words.SWAP_CARDS.ja) == 1
    assert office.unfinished.find(office.key) is None
    assert office.server.cards.sessions == {}


@pytest.mark.requirement("REN-01")
async def test_cards_in_two_readers_need_no_swap(office: RenewalOffice) -> None:
    office.places = PlacesInMemory(office.reader, ReaderInMemory(office.new_piv))
    await office.renew()
    assert office.renewals == 1
    assert renewal_words.SWAP_CARDS.ja not in office.person.told
    assert renewal_words.INSERT_NEW.ja in office.person.told
    assert [label for label, _ in office.person.shown[renewal_words.READERS.ja]] == [OLD, NEW]


@pytest.mark.requirement("REN-01")
async def test_both_pins_are_asked_for_each_by_its_card(office: RenewalOffice) -> None:
    await office.renew()
    assert office.person.pin_questions == [
        "現在使用しているICカードのPIN（暗証番号）",
        "新しいICカードのPIN（暗証番号）",
    ]
    assert set(office.pins_sent(office.old_piv)) == {OLD_PIN.encode()}
    assert set(office.pins_sent(office.new_piv)) == {NEW_PIN.encode()}
    assert not office.old_piv.connection.piv.verified
    assert not office.new_piv.connection.piv.verified


@pytest.mark.requirement("REN-01", "met")
async def test_both_cards_are_shown_side_by_side_before_the_new_one_signs(office: RenewalOffice) -> None:
    person, signatures, shown = office.person, list[int](), dict[str, list[tuple[str, str]]]()

    def record() -> None:
        signatures.append(office.signatures(office.new_piv))
        shown.update(person.shown)

    person.before_confirming = record
    await office.renew()
    assert signatures == [1]
    for title, card in ((OLD, office.old), (NEW, office.new)):
        rows = dict(shown[title])
        assert list(rows)[:3] == ["業者名", "企業住所", "ICカード企業名称"]
        assert rows["業者名"] == COMPANY
        assert rows["証明書有効期限"]
        serial = card.certificate.serial_number
        assert rows["証明書シリアル番号"].startswith(str(serial))
    assert person.value("電子証明書更新確認", "選択されている調達機関名") == "例示県"
    assert person.value("電子証明書更新確認", renewal_words.OTHER_AGENCIES.ja) == "例示市、例示町"
    for sentence in (
        "証明書シリアル番号はICカードのシリアル番号ではありません。",
        "自動的に入ってくる情報なので気にされる必要はありません。",
        "新規に使用するICカードの企業名称とICカード企業名称が御社の企業名称であることを確認してください。",
        "※ICカードの更新を行うと、旧カードでは電子入札システムへログインできなくなります。",
    ):
        assert sentence in person.told
    assert person.confirmed == ["この内容でよろしければ更新ボタンを押してください"]
    assert any("現在使用しているICカードの代わりに" in line for line in person.lines)


@pytest.mark.requirement("REN-03")
async def test_nothing_is_typed_and_the_old_card_stops_here(office: RenewalOffice) -> None:
    await office.renew()
    person = office.person
    assert person.asked == []
    assert renewal_words.CONTACTS_CARRY_OVER.ja in person.told
    office.person = office.make_person()
    assert (await office.refused()).reason == "CARD_REPLACED"


@pytest.mark.requirement("REN-04")
@pytest.mark.parametrize(("answers", "follows"), [({}, False), ({"propagate": "everywhere"}, True)])
async def test_other_agencies_follow_only_where_the_user_says_so(
    office: RenewalOffice, answers: dict[str, str], follows: bool
) -> None:
    office.person = office.make_person(**answers)
    done = await office.renew()
    assert done.result.propagate is follows
    assert office.person.chosen_from["propagate"] == ["here", "everywhere"]
    line = "他の調達機関にも変更を自動反映します" if follows else "他の調達機関には自動反映しません"
    assert any(line in shown for shown in office.person.lines)


@pytest.mark.requirement("REN-04")
async def test_nothing_is_chosen_where_the_instance_leaves_no_choice(tmp_path: Path) -> None:
    async with running_front_door(example_profile(propagation_chosen_at=[]), tmp_path) as server:
        office = RenewalOffice(server, tmp_path)
        await office.register_old()
        done = await office.renew()
        assert done.result.propagate
        assert "propagate" not in office.person.chosen_from


@pytest.mark.requirement("REN-01")
async def test_going_back_starts_the_renewal_again(office: RenewalOffice) -> None:
    office.person.confirmations = [Answer.BACK, Answer.YES]
    office.person.pins = [OLD_PIN, NEW_PIN, OLD_PIN, NEW_PIN]
    await office.renew()
    assert office.renewals == 1
    assert office.person.told.count(renewal_words.INSERT_OLD.ja) == 2
    assert renewal_words.STARTING_AGAIN.ja in office.person.told
    requests = [request for request in office.proxy.requests if type(request).__name__ == "PrepareSuccessionRequest"]
    assert len({request.request_id for request in requests}) == 2
    assert len({request.successor_key for request in requests}) == 2
    assert office.server.cards.sessions == {}


async def test_person_who_does_not_agree_changes_nothing(office: RenewalOffice) -> None:
    office.person.confirmations = [Answer.NO]
    assert (await office.refused()).reason == "RENEWAL_GIVEN_UP"
    assert office.renewals == 0
    assert office.signatures(office.new_piv) == 1


@pytest.mark.requirement("REN-01")
async def test_old_card_put_in_again_is_told_and_gets_no_pin(office: RenewalOffice) -> None:
    hands = office.person.hands
    hands[renewal_words.SWAP_CARDS.ja] = lambda: office.reader.put(office.old_piv)
    hands[renewal_words.STILL_THE_OLD_CARD.ja] = lambda: office.reader.put(office.new_piv)
    await office.renew()
    assert office.person.told.count(renewal_words.STILL_THE_OLD_CARD.ja) == 1
    assert office.person.pins_asked == 2
    assert office.signatures(office.old_piv) == 2


async def test_new_card_in_the_place_of_the_old_one_is_told_after_going_back(office: RenewalOffice) -> None:
    office.person.confirmations = [Answer.BACK, Answer.YES]
    office.person.pins = [OLD_PIN, NEW_PIN, OLD_PIN, NEW_PIN]
    hands = office.person.hands
    del hands[renewal_words.INSERT_OLD.ja]
    hands[renewal_words.IS_THE_NEW_CARD.ja] = lambda: office.reader.put(office.old_piv)
    await office.renew()
    assert office.renewals == 1
    assert office.person.told.count(renewal_words.IS_THE_NEW_CARD.ja) == 1


async def test_card_that_can_not_be_read_is_told_and_another_one_is_waited_for(office: RenewalOffice) -> None:
    foreign = PivInMemory(CardInMemory(PivApplication({}, {}, "123456", 3)))
    office.person.hands[renewal_words.SWAP_CARDS.ja] = lambda: office.reader.put(foreign)
    show = office.person.show_refusal

    def show_and_swap(refusal: Refusal) -> None:
        show(refusal)
        office.reader.put(office.new_piv)

    office.person.show_refusal = show_and_swap  # type: ignore[method-assign]  # what this person does then
    await office.renew()
    assert [refusal.reason for refusal in office.person.refused] == ["CARD_WITHOUT_CERTIFICATE"]
    assert office.pins_sent(foreign) == []


async def test_new_card_that_never_comes_is_not_waited_for_longer_than_the_act_is_good(office: RenewalOffice) -> None:
    office.person.hands[renewal_words.SWAP_CARDS.ja] = lambda: office.reader.put(None)
    assert (await office.refused(most_seconds=0.3)).reason == "CHALLENGE_EXPIRED"
    assert office.renewals == 0


@pytest.mark.requirement("REN-02")
async def test_officer_is_asked_where_one_has_to_decide(office: RenewalOffice) -> None:
    office.server.bidders.needs_officer = "HOLDER_NEEDS_OFFICER"
    office.person = office.make_person(**{"card_approval.mail_address": ADDRESS_FOR_ANSWER})
    refused = await office.refused()
    assert refused.reason == "CARD_APPROVAL_PENDING"
    (asked,) = office.server.approvals.asked_at_renewals
    assert asked.bidder.certificate_sha256 == office.new.sha256
    assert asked.mail_address == ADDRESS_FOR_ANSWER
    assert office.renewals == 0


async def test_result_is_written_for_people(office: RenewalOffice) -> None:
    done = await office.renew(details=True)
    text = compose_result(done, "ja")
    assert "【電子証明書更新結果】" in text
    assert str(office.old.certificate.serial_number) in text
    assert str(office.new.certificate.serial_number) in text
    assert done.result.request_id in text
    assert any("お知らせメールが届きます" in sentence for sentence in office.person.told)
    assert office.person.told[-3:-1] == [renewal_words.RENEWED.ja, renewal_words.OLD_CARD_STOPS.ja]


async def test_successor_key_vouches_for_this_card_and_request_and_stays_in_memory(office: RenewalOffice) -> None:
    await office.renew()
    request = next(each for each in office.proxy.requests if type(each).__name__ == "RenewRequest")
    signed = b"toroku successor key v1\x00" + office.new.sha256 + request.form.request_id.encode()
    Ed25519PublicKey.from_public_bytes(request.form.successor_key).verify(request.successor_signature, signed)


def with_purpose(**changes: object) -> Any:
    def alter(answer: Any) -> None:
        if answer.purpose:
            answer.purpose = rfc8785.dumps(json.loads(answer.purpose) | changes)

    return altered_answer(alter)


def with_other_card(answer: Any) -> None:
    answer.old_card.certificate_sha256 = bytes(32)


def with_other_form(answer: Any) -> None:
    answer.form.propagate = True


def with_other_bidder(answer: Any) -> None:
    answer.company.bidder_id = "1000000002"


@pytest.mark.parametrize(
    ("method", "answer", "reason"),
    [
        ("PrepareSuccession", with_purpose(successor_key_sha256="00" * 32), "PURPOSE_FOR_ANOTHER_REQUEST"),
        ("PrepareSuccession", with_purpose(role="new", other_certificate_sha256="00" * 32), "PURPOSE_FOR_ANOTHER_ROLE"),
        ("PrepareRenewal", with_purpose(other_certificate_sha256="00" * 32), "PURPOSE_FOR_ANOTHER_REQUEST"),
        ("PrepareRenewal", with_purpose(bidder_id="1000000002"), "PURPOSE_FOR_ANOTHER_BIDDER"),
        ("PrepareRenewal", altered_answer(with_other_card), "PURPOSE_FOR_ANOTHER_CARD"),
        ("PrepareRenewal", altered_answer(with_other_form), "PURPOSE_FOR_ANOTHER_REQUEST"),
        ("PrepareRenewal", altered_answer(with_other_bidder), "PURPOSE_FOR_ANOTHER_BIDDER"),
    ],
)
async def test_act_for_something_else_is_not_signed(
    office: RenewalOffice, method: str, answer: Any, reason: str
) -> None:
    office.proxy.answers[method] = answer
    assert (await office.refused()).reason == reason
    assert office.signatures(office.old_piv) == (1 if method == "PrepareSuccession" else 2)
    assert office.signatures(office.new_piv) == (0 if method == "PrepareSuccession" else 1)
    assert office.renewals == 0
