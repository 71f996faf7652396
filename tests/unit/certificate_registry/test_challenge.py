"""A nonce is valid once, for five minutes, in the purpose that it was issued with."""

import dataclasses
from datetime import timedelta

import pytest

from certificate_registry.domain.challenge import Challenge, create_nonce, issue, require_valid
from refusals import Refusal
from tests.unit.certificate_registry.conftest import NOW

PURPOSE = b'{"nonce":"..."}'
CHALLENGE = issue(bytes(32), PURPOSE, NOW)
LAST = NOW + timedelta(minutes=5)


def _reason(challenge: Challenge | None, purpose: bytes = PURPOSE, late: timedelta = timedelta()) -> str:
    with pytest.raises(Refusal) as refused:
        require_valid(challenge, purpose, NOW + late)
    return refused.value.reason


def test_nonces_have_32_bytes_and_differ() -> None:
    nonces = {create_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {32}


def test_challenge_is_valid_for_five_minutes() -> None:
    require_valid(CHALLENGE, PURPOSE, NOW)
    require_valid(CHALLENGE, PURPOSE, LAST)
    assert CHALLENGE.expires_at == LAST
    assert _reason(CHALLENGE, late=timedelta(minutes=5, microseconds=1)) == "CHALLENGE_EXPIRED"


def test_unknown_nonce_is_refused() -> None:
    assert _reason(None) == "CHALLENGE_UNKNOWN"


def test_used_nonce_is_refused() -> None:
    assert _reason(dataclasses.replace(CHALLENGE, used_at=NOW)) == "CHALLENGE_USED"


def test_nonce_in_another_purpose_is_refused() -> None:
    assert _reason(CHALLENGE, PURPOSE.replace(b"...", b"..,")) == "PURPOSE_ALTERED"
