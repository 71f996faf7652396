"""The stored part of a registration whose answer may be lost (REG-05)."""

import stat
from pathlib import Path

import pytest

from card_agent.operation.unfinished import RequestKey, UnfinishedRequest, UnfinishedRequests

KEY = RequestKey("registration", "saitama", "saitama-prefecture", "works", "ab" * 32)
REGISTRATION = UnfinishedRequest(KEY, "7f8a1c1e-6f0c-4a52-9f2b-3f1f7f6c2d11", "cd" * 32)


@pytest.fixture
def registrations(tmp_path: Path) -> UnfinishedRequests:
    return UnfinishedRequests(tmp_path / "a" / "b")


def test_registration_is_found_by_its_key_only(registrations: UnfinishedRequests) -> None:
    registrations.save(REGISTRATION)
    assert registrations.find(KEY) == REGISTRATION
    assert registrations.find(RequestKey("registration", "saitama", "saitama-prefecture", "goods", "ab" * 32)) is None
    assert registrations.find(RequestKey("registration", "saitama", "saitama-prefecture", "works", "ac" * 32)) is None


def test_latest_registration_replaces_the_earlier_until_deleted(registrations: UnfinishedRequests) -> None:
    registrations.save(UnfinishedRequest(KEY, "00000000-0000-0000-0000-000000000000", ""))
    registrations.save(REGISTRATION)
    assert registrations.find(KEY) == REGISTRATION
    registrations.delete(KEY)
    registrations.delete(KEY)
    assert registrations.find(KEY) is None
    assert list(registrations.directory.iterdir()) == []


def test_nothing_is_found_or_deleted_before_the_first_registration(registrations: UnfinishedRequests) -> None:
    assert registrations.find(KEY) is None
    registrations.delete(KEY)


@pytest.mark.parametrize("content", ["", "{", "null", "[]", '{"key": {}}', '{"key": "x", "request_id": 1}', "\0"])
def test_damaged_file_is_ignored(registrations: UnfinishedRequests, content: str) -> None:
    registrations.save(REGISTRATION)
    (file,) = registrations.directory.iterdir()
    file.write_text(content)
    assert registrations.find(KEY) is None


def test_directory_is_private(registrations: UnfinishedRequests) -> None:
    registrations.save(REGISTRATION)
    assert stat.S_IMODE(registrations.directory.stat().st_mode) == 0o700


def test_file_is_private_in_a_directory_that_is_not(registrations: UnfinishedRequests) -> None:
    registrations.directory.mkdir(parents=True)
    registrations.directory.chmod(0o755)
    registrations.save(REGISTRATION)
    (file,) = registrations.directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_instance_has_unfinished_registrations_of_any_card(registrations: UnfinishedRequests) -> None:
    assert registrations.list_all("registration", "saitama") == []
    registrations.save(REGISTRATION)
    (registrations.directory / "damaged.json").write_text("{")
    assert registrations.list_all("registration", "saitama") == [REGISTRATION]
    assert registrations.list_all("registration", "aomori") == []
    assert registrations.list_all("renewal", "saitama") == []
