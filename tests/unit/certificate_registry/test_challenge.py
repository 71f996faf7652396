"""A nonce is valid once, for five minutes or ten, in the purpose that it was issued with."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from certificate_registry.domain.challenge import (
    LIFETIME,
    LONGEST_LIFETIME,
    Challenge,
    create_nonce,
    find_lifetime,
    issue,
    require_valid,
)
from refusals import Refusal
from signed_acts.purpose import Operation, Purpose, PurposeType, Role
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
    assert _reason(CHALLENGE, late=timedelta(minutes=5, microseconds=1)) == "CHALLENGE_EXPIRED"


def test_act_of_the_old_card_is_valid_for_ten_minutes() -> None:
    purpose = Purpose(
        instance="example",
        type=PurposeType.ACT,
        operation=Operation.RENEWAL,
        role=Role.OLD,
        nonce=bytes(32),
        certificate_sha256=bytes(32),
    )
    assert find_lifetime(purpose) == LONGEST_LIFETIME == timedelta(minutes=10)
    require_valid(CHALLENGE, PURPOSE, NOW + timedelta(minutes=10), lifetime=LONGEST_LIFETIME)
    others: list[dict[str, Any]] = [
        {"type": PurposeType.LOG_IN},
        {"role": Role.NEW},
        {"role": Role.SOLE, "operation": Operation.CHANGE},
    ]
    for changes in others:
        assert find_lifetime(dataclasses.replace(purpose, **changes)) == LIFETIME


def test_unknown_nonce_is_refused() -> None:
    assert _reason(None) == "CHALLENGE_UNKNOWN"


def test_used_nonce_is_refused() -> None:
    assert _reason(dataclasses.replace(CHALLENGE, used_at=NOW)) == "CHALLENGE_USED"


def test_nonce_in_another_purpose_is_refused() -> None:
    assert _reason(CHALLENGE, PURPOSE.replace(b"...", b"..,")) == "PURPOSE_ALTERED"
