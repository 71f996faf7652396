"""Tokens of a PKCS#11 module, a stub of SoftHSM's: a registration at the terminal, and the agent's pages."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from card_agent.media.pkcs11 import Pkcs11Module, TokenInModule
from refusals import Refusal
from tests.support.office import Office
from tests.support.page_agent import running_page_agent
from tests.support.pkcs11_modules import PIN, build_stub, list_logins, make_soft_token
from tests.support.purposes import make_act, make_log_in, write_request

WRONG = "987654"
pytestmark = pytest.mark.requirement("CRD-08")


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub module, built once."""
    return build_stub(tmp_path_factory.mktemp("stub"))


@pytest.fixture
def logins(office: Office, stub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The office's card becomes a token of the stub; returns what tells the PINs that reached it."""
    token = make_soft_token(tmp_path / "softhsm", office.card)
    log = tmp_path / "log"
    variables = {"STUB_SOFTHSM": str(token.module), "STUB_LOG": str(log), "STUB_TRIES": str(tmp_path / "tries")}
    for name, value in (token.environment | variables).items():
        monkeypatch.setenv(name, value)
    office.medium = TokenInModule(Pkcs11Module(stub))
    return lambda: list(list_logins(log))


async def test_token_is_registered_like_a_card(office: Office, logins: Callable[[], list[str]]) -> None:
    office.person.pins = [PIN]
    await office.register()
    assert office.registrations() == 1
    # Once typed, once for each signature sent.
    assert (office.person.pins_asked, len(logins())) == (1, 2)


async def test_token_that_hides_its_certificate_is_registered_with_one_pin(
    office: Office, logins: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_HABITS", "hidden")
    office.person.pins = [PIN]
    await office.register()
    assert office.registrations() == 1
    assert office.person.pins_asked == 1
    assert logins()


async def test_wrong_pins_say_what_is_left_and_are_sent_once(office: Office, logins: Callable[[], list[str]]) -> None:
    refused: list[tuple[str, str | None, int]] = []

    def tries_again(refusal: Refusal) -> bool:
        refused.append((refusal.reason, refusal.metadata.get("tries_left"), len(logins())))
        return refusal.reason != "CARD_PIN_BLOCKED"

    office.person.pins = [WRONG, WRONG, WRONG]
    office.person.tries_again = tries_again
    assert (await office.refused()).reason == "CARD_PIN_BLOCKED"
    assert refused == [("CARD_PIN_WRONG_UNCOUNTED", None, 1), ("CARD_PIN_WRONG", "1", 2)]
    assert len(logins()) == 3
    assert office.registrations() == 0


async def test_crash_during_a_signature_is_mended_by_the_next_try(
    office: Office, logins: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_FAULT", "crash C_Sign")

    def mend(refusal: Refusal) -> bool:
        monkeypatch.setenv("STUB_FAULT", "")
        return refusal.reason == "MODULE_CRASHED"

    office.person.pins = [PIN, PIN]
    office.person.tries_again = mend
    await office.register()
    assert office.registrations() == 1
    # The PIN is asked for again: nobody knows what became of it.
    assert (office.person.pins_asked, len(logins())) == (2, 3)


@pytest.mark.parametrize("habits", ["", "hidden"], ids=["readable", "behind the PIN"])
def test_pages_ask_the_pin_of_a_token_once(
    habits: str,
    office: Office,
    logins: Callable[[], list[str]],
    stub: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STUB_HABITS", habits)
    folder = tmp_path / "agent"
    folder.mkdir()
    with running_page_agent(folder) as pages:
        pages.found += Pkcs11Module(stub).list_media()
        handoff = pages.open_portal()
        reply = pages.choose_card(handoff)
        if habits:
            reply = pages.post("/card", {"token": reply.token, "certificate": "1", "pin": WRONG})
            assert "PINが違います" in reply.text
            reply = pages.post("/card", {"token": reply.token, "certificate": "1", "pin": PIN})
        assert base64.b64decode(reply.answer["certificate"]) == office.card.der
        signed = pages.sign(handoff, make_log_in(office.card), "" if habits else PIN)
        assert "signature" in signed.answer
        request = write_request()
        page = pages.get(pages.sign_link(handoff, make_act(office.card, request=request), request))
        assert 'name="pin"' not in page.body
        assert "signature" in pages.post("/sign", {"token": page.token, "answer": "ok"}).answer
    assert len(logins()) == (4 if habits else 2)
