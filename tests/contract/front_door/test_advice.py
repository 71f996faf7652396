"""The advice over gRPC: which operation is right for a card, why, and what becomes of running tenders (REN-05)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from refusals import Refusal
from refusals.status import from_rpc_error
from simulators.certificate_authorities import IssuedCard
from tests.support.contractor import signed
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, VILLAGE, WORKS, example_profile
from tests.support.japanese_text import broken_rules
from tests.support.services.front_door import MORNING, RunningFrontDoor, running_front_door
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.frontdoor.v1 import advice_pb2, advice_pb2_grpc, front_door_pb2

YEARS = timedelta(days=800)


@dataclass(slots=True)
class AdvisedContractor:
    """Who asks which operation is right for a card."""

    channel: grpc.aio.Channel
    card: IssuedCard
    agency: str = PREFECTURE
    category: str = WORKS
    session_token: str = field(default="", repr=False)

    async def enter(self) -> None:
        """The log-in."""
        begun: advice_pb2.BeginAdviceResponse = await self.call(
            "BeginAdvice",
            advice_pb2.BeginAdviceRequest(agency=self.agency, category=self.category, certificate=self.card.der),
        )
        opened: advice_pb2.OpenAdviceSessionResponse = await self.call(
            "OpenAdviceSession",
            advice_pb2.OpenAdviceSessionRequest(
                agency=self.agency,
                category=self.category,
                certificate=self.card.der,
                log_in=signed(self.card, begun.purpose),
            ),
        )
        self.session_token = opened.session_token

    async def ask(self) -> advice_pb2.GetAdviceResponse:
        """The advice, in the session."""
        request = advice_pb2.GetAdviceRequest(
            session_token=self.session_token, agency=self.agency, category=self.category
        )
        response: advice_pb2.GetAdviceResponse = await self.call("GetAdvice", request)
        return response

    async def call(self, method: str, request: Message) -> Any:
        """Calls a method of the front door by its name; raises its refusal."""
        try:
            return await getattr(advice_pb2_grpc.AdviceStub(self.channel), method)(request, timeout=20)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        yield running


def card_of(front_door: RunningFrontDoor, validity: timedelta = YEARS) -> IssuedCard:
    return front_door.card(not_before=MORNING - timedelta(days=300), not_after=MORNING + validity)


async def registered(front_door: RunningFrontDoor, validity: timedelta = YEARS) -> AdvisedContractor:
    card = card_of(front_door, validity)
    await front_door.register(front_door.contractor(card))
    return AdvisedContractor(front_door.channel, card)


async def advice_for(contractor: AdvisedContractor) -> advice_pb2.GetAdviceResponse:
    await contractor.enter()
    return await contractor.ask()


def state_of(front_door: RunningFrontDoor, contractor: AdvisedContractor) -> card_state_pb2.CardState:
    state = front_door.cards.find_state(WORKS, contractor.card.sha256)
    assert state is not None
    return state


def joined(texts: Any) -> str:
    return "\n".join(text.ja for text in texts)


def all_texts(advice: advice_pb2.GetAdviceResponse) -> list[front_door_pb2.Text]:
    return [advice.standing, *advice.reasons, *advice.consequences, *advice.exceptions]


@pytest.mark.requirement("REN-05")
async def test_card_that_nobody_registered_is_registered(front_door: RunningFrontDoor) -> None:
    advice = await advice_for(AdvisedContractor(front_door.channel, card_of(front_door)))
    assert advice.operation == card_pb2.OPERATION_REGISTRATION
    assert "まだ利用者登録されていません" in advice.standing.ja
    assert not advice.HasField("until")
    # Where it comes after a card that has expired, tenders in progress are found by naming that one.
    assert "以前のICカードの証明書シリアル番号を入力してください" in joined(advice.consequences)
    assert "変更がなく、認証局も同じ場合に限り、「ICカード更新」" in joined(advice.exceptions)
    assert front_door.bidders.calls["GetCompany"] == 0


@pytest.mark.requirement("REN-05")
async def test_registered_card_is_used_as_it_is_and_changed_where_contacts_change(
    front_door: RunningFrontDoor,
) -> None:
    advice = await advice_for(await registered(front_door))
    assert advice.operation == card_pb2.OPERATION_CHANGE
    assert f"ユーザID「{BIDDER}」のICカードとして利用者登録されています" in advice.standing.ja
    assert not advice.HasField("until")
    assert "登録内容を確認する場合は、「変更」" in joined(advice.reasons)
    assert "既に提出した" in joined(advice.consequences)
    assert "紙で応札" not in joined(advice.consequences)
    assert "「変更」では変わりません" in joined(advice.exceptions)


@pytest.mark.requirement("REN-05")
@pytest.mark.requirement("ENT-06")
async def test_card_that_expires_soon_is_renewed_by_its_last_day(front_door: RunningFrontDoor) -> None:
    contractor = await registered(front_door, timedelta(days=60))
    advice = await advice_for(contractor)
    assert advice.operation == card_pb2.OPERATION_RENEWAL
    assert advice.until.ToDatetime(UTC) == contractor.card.certificate.not_valid_after_utc
    consequences, exceptions = joined(advice.consequences), joined(advice.exceptions)
    assert "進行中の案件を新しいICカードで続けられます" in consequences
    assert "更新を反映させない調達機関では、このICカードを有効期限まで使用します" in consequences
    assert "平日8時30分～20時00分" in consequences
    # The gap between the issue of a certificate and its activation.
    assert "認証局が発行してから使用できるようになるまで日数がかかる" in consequences
    for case in (
        "契約権限の移譲",
        "合併",
        "失効・更新漏れ",
        "企業情報が変わり",
        "有効期限が切れた後",
        "認証局が異なる",
    ):
        assert case in exceptions
    assert "新しいICカードも使用できなくなります" in exceptions
    assert "どちらの操作がよいか分からない場合は、「ICカード更新」ではなく「登録」" in exceptions
    assert "紙で応札" not in consequences


@pytest.mark.requirement("LIF-06")
async def test_with_little_validity_left_the_agency_is_asked_about_paper(front_door: RunningFrontDoor) -> None:
    advice = await advice_for(await registered(front_door, timedelta(days=20)))
    assert advice.operation == card_pb2.OPERATION_RENEWAL
    assert "調達機関に連絡して、紙で応札可能か相談してください" in joined(advice.consequences)
    # Of a card that is only going to be registered as well.
    advice = await advice_for(AdvisedContractor(front_door.channel, card_of(front_door, timedelta(days=20))))
    assert "紙で応札可能か" in joined(advice.consequences)


async def test_category_without_renewal_says_registration_and_nothing_of_a_renewal(tmp_path: Path) -> None:
    profile = example_profile(category={"operations": ["registration", "change"]}, propagation_chosen_at=[])
    async with running_front_door(profile, tmp_path) as front_door:
        advice = await advice_for(await registered(front_door, timedelta(days=60)))
        assert advice.operation == card_pb2.OPERATION_REGISTRATION
        assert "更新" not in joined(all_texts(advice))


@pytest.mark.requirement("REN-05")
async def test_card_that_is_registered_elsewhere_is_registered_here_too(front_door: RunningFrontDoor) -> None:
    contractor = await registered(front_door)
    contractor.agency = CITY
    advice = await advice_for(contractor)
    assert advice.operation == card_pb2.OPERATION_REGISTRATION
    assert "例示市では登録されていません" in advice.standing.ja
    assert "同じユーザIDで登録できます" in joined(advice.reasons)


@pytest.mark.requirement("REN-05")
async def test_replaced_card_gives_way_to_the_new_one(front_door: RunningFrontDoor) -> None:
    contractor = await registered(front_door)
    state = state_of(front_door, contractor)
    state.binding, state.binding_reason = card_state_pb2.BINDING_STATE_CLOSED, "renewal"
    state.registrations[0].state = card_state_pb2.REGISTRATION_STATE_REPLACED
    advice = await advice_for(contractor)
    assert advice.operation == card_pb2.OPERATION_UNSPECIFIED
    assert "新しいICカードに引き継がれています" in advice.standing.ja
    assert "進行中の案件は、この調達機関では新しいICカードで続けられます" in joined(advice.consequences)


@pytest.mark.requirement("REN-05")
@pytest.mark.parametrize(
    ("binding", "operation", "said"),
    [
        (
            card_state_pb2.BINDING_STATE_RELEASED,
            card_pb2.OPERATION_REGISTRATION,
            "再び使用するには、正しいユーザIDで「登録」",
        ),
        (card_state_pb2.BINDING_STATE_CLOSED, card_pb2.OPERATION_UNSPECIFIED, "別のICカードで「登録」"),
    ],
)
async def test_card_whose_binding_ended(
    front_door: RunningFrontDoor,
    binding: "card_state_pb2.BindingState.ValueType",
    operation: "card_pb2.Operation.ValueType",
    said: str,
) -> None:
    contractor = await registered(front_door)
    state = state_of(front_door, contractor)
    state.binding = binding
    state.registrations[0].state = card_state_pb2.REGISTRATION_STATE_ENDED
    advice = await advice_for(contractor)
    assert advice.operation == operation
    assert said in joined(advice.reasons)


@pytest.mark.parametrize("whole", [True, False])
async def test_suspended_card_leads_to_the_agency(front_door: RunningFrontDoor, whole: bool) -> None:
    contractor = await registered(front_door)
    state = state_of(front_door, contractor)
    if whole:
        state.suspended = True
    else:
        state.registrations[0].state = card_state_pb2.REGISTRATION_STATE_SUSPENDED
    advice = await advice_for(contractor)
    assert advice.operation == card_pb2.OPERATION_UNSPECIFIED
    assert "利用が停止されています" in advice.standing.ja
    assert "例示県の担当者にお問い合わせください" in joined(advice.reasons)


@pytest.mark.requirement("REN-05")
@pytest.mark.parametrize(
    ("reason", "operation", "said"),
    [
        ("BIDDER_ENDED", card_pb2.OPERATION_REGISTRATION, "新しいユーザIDで「登録」を行ってください。"),
        ("BIDDER_NOT_QUALIFIED", card_pb2.OPERATION_UNSPECIFIED, "競争入札参加資格を確認してください。"),
        ("BIDDER_SUSPENDED", card_pb2.OPERATION_UNSPECIFIED, "例示県の担当者にお問い合わせください。"),
    ],
)
async def test_what_the_roster_says_decides_before_the_expiry(
    front_door: RunningFrontDoor, reason: str, operation: "card_pb2.Operation.ValueType", said: str
) -> None:
    # Otherwise it would be renewed.
    contractor = await registered(front_door, timedelta(days=60))
    front_door.bidders.no_company[BIDDER] = reason
    advice = await advice_for(contractor)
    assert advice.operation == operation
    assert said in joined(advice.reasons)


async def test_bidder_that_the_registry_of_cards_knows_as_suspended(front_door: RunningFrontDoor) -> None:
    contractor = await registered(front_door)
    front_door.cards.suspended_bidders.add(BIDDER)
    assert (await advice_for(contractor)).operation == card_pb2.OPERATION_UNSPECIFIED


@pytest.mark.requirement("REN-05")
async def test_card_that_expired_during_the_session_is_not_renewed(front_door: RunningFrontDoor) -> None:
    contractor = await registered(front_door, timedelta(minutes=5))
    await contractor.enter()
    front_door.clock.now += timedelta(minutes=6)
    advice = await contractor.ask()
    assert advice.operation == card_pb2.OPERATION_REGISTRATION
    assert "有効期限" in advice.standing.ja
    assert "以前のICカードの証明書シリアル番号" in joined(advice.consequences)
    assert "紙で応札可能か" in joined(advice.consequences)


@pytest.mark.requirement("REN-05")
async def test_card_of_another_company_name_is_a_hint_against_a_renewal(front_door: RunningFrontDoor) -> None:
    contractor = await registered(front_door, timedelta(days=60))
    company = front_door.bidders.companies[BIDDER]
    await contractor.enter()
    company.name = front_door.cards.sessions[contractor.session_token].card.company_name
    assert "企業名称が、名簿" not in joined((await advice_for(contractor)).exceptions)
    company.name = "移転先株式会社"
    advice = await advice_for(contractor)
    assert advice.operation == card_pb2.OPERATION_RENEWAL
    assert advice.exceptions[0].ja.startswith("ICカードの企業名称が、名簿の商号又は名称と異なります。")


async def test_advice_is_given_at_any_hour_and_changes_nothing(front_door: RunningFrontDoor) -> None:
    contractor = await registered(front_door)
    before = front_door.stored_counts()
    front_door.clock.now = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)
    advice = await advice_for(contractor)
    assert advice == await contractor.ask()
    assert front_door.stored_counts() == before
    # Its session is for nothing else, and a session of another operation not for this.
    changing = front_door.contractor(contractor.card)
    changing.session_token = contractor.session_token
    with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_OPERATION"):
        await changing.check_session(operation=card_pb2.OPERATION_CHANGE)
    await changing.check_session(operation=card_pb2.OPERATION_VIEW)


async def test_place_that_there_is_not_is_refused(front_door: RunningFrontDoor) -> None:
    card = card_of(front_door)
    for agency, category, reason in (
        ("nowhere", WORKS, "AGENCY_UNKNOWN"),
        (PREFECTURE, "nothing", "CATEGORY_UNKNOWN"),
        (VILLAGE, GOODS, "CATEGORY_NOT_OFFERED"),
    ):
        with pytest.raises(Refusal, match=reason):
            await AdvisedContractor(front_door.channel, card, agency, category).enter()


async def test_failing_registry_of_bidders_is_not_taken_for_an_advice(front_door: RunningFrontDoor) -> None:
    contractor = await registered(front_door)
    await contractor.enter()
    front_door.bidders.failing = True
    with pytest.raises(Refusal):
        await contractor.ask()


async def test_sentences_are_in_both_languages_and_well_written(front_door: RunningFrontDoor) -> None:
    contractors = [await registered(front_door, timedelta(days=days)) for days in (20, 800)]
    for contractor in contractors:
        for text in all_texts(await advice_for(contractor)):
            assert text.ja.endswith("。")
            assert text.en.endswith(".")
            assert "{" not in text.ja + text.en
            assert broken_rules(text.ja) == []
