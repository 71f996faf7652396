"""What a command does when an officer signs: the challenge, the question, the signature, the call, the lost answer."""

import asyncio
import getpass
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest
import typer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.protobuf.message_factory import GetMessageClass
from rich.console import Console
from typing_extensions import override

from history.reading import find_entries
from operator_command.officer.acts import card as cards
from operator_command.officer.acts import signing
from operator_command.officer.acts.card import unlock_card
from operator_command.officer.acts.key import OfficerKey, read_key_file
from operator_command.officer.acts.session import ActingSession, ask_service
from operator_command.officer.acts.signing import Signer
from operator_command.speech import Language, Speech
from refusals import Refusal
from simulators.virtual_piv import PivApplication
from tests.support.card_in_memory import CardInMemory, PivInMemory
from tests.support.desk_service import DESCRIPTOR, INSTANCE, NAME, Desk, DeskStub, request
from tests.support.officers import SigningOfficer
from toroku.officer.v1.officer_acts_pb2 import CreateActChallengeResponse

YAMADA = "saitama-city/yamada"
SUSPEND = DESCRIPTOR.methods_by_name["Suspend"]
RESPONSE = GetMessageClass(SUSPEND.output_type)
SPEECH = Speech(Language.JAPANESE)
PIN = "123456"
SHOWN = """\
署名する内容
　業者「1000000001」の利用を停止します（saitama-city）。
　理由：指名停止
"""


class Altering(grpc.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]  # has none when it runs
    """What stands between a command and its service, and does something with each answer."""

    def __init__(self, alter: Callable[[Any], Any]) -> None:
        self._alter = alter

    @override
    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        call = continuation(client_call_details, request)
        call.result()
        return self._alter(call)


class Lost(grpc.RpcError):
    """The end of a connection before its answer came."""

    @override
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    @override
    def trailing_metadata(self) -> tuple[Any, ...]:
        return ()

    @override
    def details(self) -> str:
        return "connection reset"


def open_session(desk: Desk, key: OfficerKey) -> ActingSession:
    return ActingSession(
        key=key,
        authority=(desk.authority.callers.parent / "ca.pem").read_bytes(),
        endpoints={NAME: desk.agency},
        state=desk.authority.callers.parent,
        speech=SPEECH,
        console=Console(width=120),
    )


def make_signer(session: ActingSession, **changes: Any) -> Signer:
    values: dict[str, Any] = {
        "key": session.key,
        "instance": INSTANCE,
        "speech": SPEECH,
        "console": session.console,
        "request_id": str(uuid4()),
        "confirmed": True,
        "details": False,
    }
    return Signer(**values | changes)


def read_key(officer: SigningOfficer) -> OfficerKey:
    return read_key_file(officer.files.certificate, officer.files.private_key, SPEECH)


async def suspend(session: ActingSession, *interceptors: Altering, **changes: Any) -> str:
    """Returns the answer to the suspension that an officer signs, as a command carries it out."""

    def run() -> str:
        with session.open(NAME) as opened:
            channel = grpc.intercept_channel(opened, *interceptors)
            answer: Any = make_signer(session, **changes).carry_out(channel, SUSPEND, request("Suspend"), RESPONSE)
            return str(answer.answer)

    return await asyncio.to_thread(run)


async def count_suspensions(desk: Desk) -> int:
    async with desk.database.read() as connection:
        return len(await find_entries(connection, "who", f"officer {YAMADA}", before=None, most=10))


async def test_act_is_shown_signed_and_carried_out(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    assert await suspend(open_session(desk, read_key(officer))) == f"suspended by {YAMADA}"
    assert capsys.readouterr().out.startswith(SHOWN)
    assert await count_suspensions(desk) == 1


async def test_same_request_id_gives_the_outcome_and_acts_once(desk: Desk) -> None:
    session = open_session(desk, read_key(await desk.office.enrol(YAMADA, "suspension")))
    request_id = str(uuid4())
    answers = {await suspend(session, request_id=request_id) for _ in range(2)}
    assert answers == {f"suspended by {YAMADA}"}
    assert await count_suspensions(desk) == 1


async def test_lost_answer_is_asked_for_again(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    session = open_session(desk, read_key(await desk.office.enrol(YAMADA, "suspension")))
    losses = [Lost()]

    def lose(call: Any) -> Any:
        if not isinstance(call.result(), CreateActChallengeResponse) and losses:
            raise losses.pop()
        return call

    assert await suspend(session, Altering(lose)) == f"suspended by {YAMADA}"
    assert capsys.readouterr().out.count("応答が途切れました。") == 1
    assert await count_suspensions(desk) == 1


async def test_outcome_that_stays_unknown_names_its_request(desk: Desk) -> None:
    session = open_session(desk, read_key(await desk.office.enrol(YAMADA, "suspension")))

    def lose(call: Any) -> Any:
        if isinstance(call.result(), CreateActChallengeResponse):
            return call
        raise Lost

    request_id = str(uuid4())
    with pytest.raises(Refusal, match="ACT_OUTCOME_UNKNOWN") as refused:
        await suspend(session, Altering(lose), request_id=request_id)
    assert refused.value.metadata == {"request_id": request_id}
    assert await count_suspensions(desk) == 1


@pytest.mark.parametrize(
    ("part", "other", "reason"),
    [
        (b'"bidder_id":"1000000001"', b'"bidder_id":"1000000002"', "PURPOSE_FOR_ANOTHER_BIDDER"),
        (b'"instance":"saitama"', b'"instance":"niigata"', "PURPOSE_FOR_ANOTHER_INSTANCE"),
        (b'"request_sha256":"', b'"request_sha256":"00', "PURPOSE_MALFORMED"),
    ],
)
async def test_challenge_that_was_altered_is_not_signed(desk: Desk, part: bytes, other: bytes, reason: str) -> None:
    session = open_session(desk, read_key(await desk.office.enrol(YAMADA, "suspension")))

    def alter(call: Any) -> Any:
        answer = call.result()
        if isinstance(answer, CreateActChallengeResponse):
            assert part in answer.purpose
            answer.purpose = answer.purpose.replace(part, other)
        return call

    with pytest.raises(Refusal, match=reason):
        await suspend(session, Altering(alter))
    assert await count_suspensions(desk) == 0


async def test_act_whose_end_is_not_the_proposals_is_not_signed(desk: Desk) -> None:
    session = open_session(desk, read_key(await desk.office.enrol(YAMADA, "suspension")))
    with pytest.raises(Refusal, match="PROPOSAL_ALTERED"):
        await suspend(session, ending=("業者「1000000002」の利用を再開します。",))
    assert await suspend(session, ending=("Reason: 指名停止",))


async def test_nothing_is_signed_without_a_yes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = open_session(desk, read_key(await desk.office.enrol(YAMADA, "suspension")))
    with pytest.raises(Refusal, match="ACT_TERMINAL_MISSING"):
        await suspend(session, confirmed=False)
    monkeypatch.setattr(signing, "has_terminal", lambda: True)
    monkeypatch.setattr(signing, "ask", lambda speech, question: False)
    with pytest.raises(typer.Exit):
        await suspend(session, confirmed=False)
    assert capsys.readouterr().out.endswith("中止しました。何も変更していません。\n")
    assert await count_suspensions(desk) == 0
    monkeypatch.setattr(signing, "ask", lambda speech, question: True)
    assert await suspend(session, confirmed=False)


def insert_card(officer: SigningOfficer) -> PivInMemory:
    """Returns a card with the officer's key."""
    key = load_pem_private_key(officer.files.private_key.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return PivInMemory(CardInMemory(PivApplication({0x9A: key}, {0x9A: officer.certificate}, PIN, 3)))


@pytest.fixture
def typed_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "has_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda question: PIN)


@pytest.mark.usefixtures("typed_pin")
async def test_card_signs_connection_and_act(desk: Desk) -> None:
    card = insert_card(await desk.office.enrol(YAMADA, "suspension"))
    assert await suspend(open_session(desk, unlock_card(card, SPEECH))) == f"suspended by {YAMADA}"
    assert await count_suspensions(desk) == 1


@pytest.mark.usefixtures("typed_pin")
async def test_card_that_cannot_sign_a_connection_is_explained(desk: Desk) -> None:
    card = insert_card(await desk.office.enrol(YAMADA, "suspension"))
    session = open_session(desk, unlock_card(card, SPEECH))
    card.connection.removed = True

    def look() -> None:
        with session.open(NAME) as channel:
            ask_service(DeskStub(channel).Look, request("Look"))

    with pytest.raises(Refusal, match="CARD_REMOVED"):
        await asyncio.to_thread(look)


async def test_certificate_of_nobody_signs_nothing(desk: Desk) -> None:
    stranger = await desk.office.connect(YAMADA)
    with pytest.raises(Refusal, match="CALLER"):
        await suspend(open_session(desk, read_key(stranger)))
