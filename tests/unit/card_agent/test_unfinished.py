"""What is kept of a registration whose answer may be lost (REG-05)."""

import stat
from pathlib import Path

import pytest

from card_agent.registration.unfinished import Place, Unfinished, UnfinishedRegistrations

PLACE = Place("saitama", "saitama-prefecture", "works", "ab" * 32)
SENT = Unfinished(PLACE, "7f8a1c1e-6f0c-4a52-9f2b-3f1f7f6c2d11", "cd" * 32)


@pytest.fixture
def kept(tmp_path: Path) -> UnfinishedRegistrations:
    return UnfinishedRegistrations(tmp_path / "a" / "b")


def test_it_is_found_by_its_place_and_by_no_other(kept: UnfinishedRegistrations) -> None:
    kept.remember(SENT)
    assert kept.find(PLACE) == SENT
    assert kept.find(Place("saitama", "saitama-prefecture", "goods", "ab" * 32)) is None
    assert kept.find(Place("saitama", "saitama-prefecture", "works", "ac" * 32)) is None


def test_the_latest_counts_and_is_forgotten_when_it_is_done(kept: UnfinishedRegistrations) -> None:
    kept.remember(Unfinished(PLACE, "00000000-0000-0000-0000-000000000000", ""))
    kept.remember(SENT)
    assert kept.find(PLACE) == SENT
    kept.forget(PLACE)
    kept.forget(PLACE)
    assert kept.find(PLACE) is None
    assert list(kept.directory.iterdir()) == []


def test_before_anything_was_sent_there_is_nothing(kept: UnfinishedRegistrations) -> None:
    assert kept.find(PLACE) is None
    kept.forget(PLACE)


@pytest.mark.parametrize("content", ["", "{", "null", "[]", '{"place": {}}', '{"place": "x", "request_id": 1}', "\0"])
def test_a_damaged_file_is_as_none(kept: UnfinishedRegistrations, content: str) -> None:
    kept.remember(SENT)
    (file,) = kept.directory.iterdir()
    file.write_text(content)
    assert kept.find(PLACE) is None


def test_only_its_user_may_look_at_it(kept: UnfinishedRegistrations) -> None:
    kept.remember(SENT)
    assert stat.S_IMODE(kept.directory.stat().st_mode) == 0o700
