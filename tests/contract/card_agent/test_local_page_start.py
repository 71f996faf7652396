"""The start: the person begins at the agent, by its first page, its icon, or a link to toroku: (ENT-01)."""

import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from card_agent.local_page import application
from card_agent.local_page.phrase import read_phrase
from card_agent.local_page.running import (
    PORTS,
    RunningAgent,
    be_the_only_one,
    open_listener,
    read_running,
    save_running,
    tell_running,
)
from card_agent.local_page.start_page import begin
from card_agent.trust import TrustedInstance
from refusals import Refusal
from tests.support.page_agent import PHRASE, START, TRUSTED, running_page_agent
from toroku.frontdoor.v1 import front_door_pb2

OTHER = TrustedInstance("chiba", "chiba.example:443", None, "https://chiba.example/start", "https://chiba.example/back")
WITHOUT_PORTAL = TrustedInstance("gunma", "gunma.example:443")


def test_first_start_asks_for_a_phrase_which_every_page_then_shows(tmp_path: Path) -> None:
    with running_page_agent(tmp_path, phrase="") as pages:
        page = pages.get("/")
        assert 'name="phrase"' in page.body
        for unfit in ("", " ", "x" * 41, "a\u202eb"):
            page = pages.post("/phrase", {"token": page.token, "phrase": unfit})
            assert "1～40文字" in page.text
        page = pages.post("/phrase", {"token": page.token, "phrase": " 青い自転車 "})
        assert 'name="instance" value="saitama"' in page.body
        assert PHRASE in page.text
        assert PHRASE in pages.get(pages.card_link(pages.open_portal())).text
    assert read_phrase(tmp_path) == PHRASE
    assert (tmp_path / "phrase").stat().st_mode & 0o777 == 0o600


def test_portal_is_opened_at_its_trusted_address_with_port_and_hand_off(tmp_path: Path) -> None:
    with running_page_agent(tmp_path, trusted=(TRUSTED, OTHER, WITHOUT_PORTAL)) as pages:
        page = pages.get("/")
        assert re.findall(r'name="instance" value="(\w+)"', page.body) == ["saitama", "chiba"]
        opened = pages.post("/open", {"token": page.token, "instance": "saitama"})
        assert opened.address.startswith(f"{START}#")
        assert opened.fragment["port"] == str(pages.agent.port)
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", opened.fragment["handoff"])
        # Back, and the other portal.
        other = pages.post("/open", {"token": page.token, "instance": "chiba"})
        assert other.address.startswith("https://chiba.example/start#")
        unknown = pages.post("/open", {"token": page.token, "instance": "gunma"})
        assert "信頼するシステムの一覧にありません" in unknown.text


def test_second_start_has_the_first_one_open_the_portal_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_page_agent(tmp_path) as pages:
        save_running(tmp_path, RunningAgent(pages.agent.port, 1, pages.agent.secret))
        tell_running(tmp_path, None)
        assert pages.opened[0].startswith(f"{START}#port={pages.agent.port}&handoff=")
        handoff = dict(parse_qsl(pages.opened[0].partition("#")[2]))["handoff"]
        assert pages.get(pages.card_link(handoff)).status == 200
        # As a page does that follows the link by itself.
        monkeypatch.setattr(application, "PAUSE_SECONDS", 3600.0)
        for _ in range(5):
            tell_running(tmp_path, None)
        assert len(pages.opened) == 1
        monkeypatch.setattr(application, "PAUSE_SECONDS", 0.0)
        tell_running(tmp_path, "chiba")
        assert pages.opened[1] == f"{pages.agent.origin}/"


def test_start_opens_the_first_page_where_there_is_something_to_choose(tmp_path: Path) -> None:
    with running_page_agent(tmp_path, trusted=(TRUSTED, OTHER)) as pages:
        assert begin(pages.agent) == f"{pages.agent.origin}/"
    with running_page_agent(tmp_path / "new", phrase="") as pages:
        assert begin(pages.agent) == f"{pages.agent.origin}/"


def test_port_is_a_dynamic_one_that_the_person_keeps_as_long_as_it_is_free(tmp_path: Path) -> None:
    with open_listener(tmp_path) as listener:
        port = listener.getsockname()[1]
        assert port in PORTS
        save_running(tmp_path, RunningAgent(port, 1, "s"))
        with open_listener(tmp_path) as other:
            assert other.getsockname()[1] != port
    with open_listener(tmp_path) as listener:
        assert listener.getsockname()[1] == port
    assert (tmp_path / "serve.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"port": 9980, "pid": 1, "secret": "s"}', '{"port": "x"}'])
def test_file_of_an_earlier_start_that_is_damaged_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "serve.json").write_text(content)
    assert read_running(tmp_path) is None


def test_one_agent_runs_for_a_person(tmp_path: Path) -> None:
    with be_the_only_one(tmp_path) as first, be_the_only_one(tmp_path) as second:
        assert (first, second) == (True, False)
    with be_the_only_one(tmp_path) as again:
        assert again


def test_secret_of_a_run_goes_to_no_other_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("card_agent.local_page.running._PATIENCE", 0.1)
    with open_listener(tmp_path) as listener:
        save_running(tmp_path, RunningAgent(listener.getsockname()[1], 1, "s"))
        monkeypatch.setattr("card_agent.local_page.running.is_own_socket", lambda *_: False)
        with pytest.raises(Refusal, match="AGENT_NOT_ANSWERING"):
            tell_running(tmp_path, None)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1000) == b""


def test_words_of_an_instance_outlive_its_absence(tmp_path: Path) -> None:
    name = front_door_pb2.Text(ja="埼玉県電子入札", en="Saitama")
    with running_page_agent(tmp_path, front_door_pb2.Instance(id="saitama", name=name)) as pages:
        assert "埼玉県電子入札" in pages.get(pages.card_link(pages.open_portal())).text
    with running_page_agent(tmp_path, front_door_pb2.Instance(id="another")) as pages:
        assert "埼玉県電子入札" in pages.get(pages.card_link(pages.open_portal())).text
