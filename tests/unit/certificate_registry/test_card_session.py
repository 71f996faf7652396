"""A card session is valid for one operation, agency, category and card; ten minutes idle, sixty at most."""

import dataclasses
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from certificate_registry.domain.card_session import (
    CardSession,
    SessionScope,
    create_token,
    hash_token,
    require_open,
    require_role,
    require_scope,
)
from refusals import Refusal
from signed_acts.purpose import Operation, Role
from tests.unit.certificate_registry.conftest import NOW

SCOPE = SessionScope(Operation.REGISTRATION, "saitama-ken", "works")
SESSION = CardSession(SCOPE, bytes(32), NOW, NOW)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)


def _reason(session: CardSession, late: timedelta) -> str:
    with pytest.raises(Refusal) as refused:
        require_open(session, NOW + late)
    return refused.value.reason


def test_tokens_have_256_bits_and_are_stored_as_hash() -> None:
    token = create_token()
    assert (len(token), len({create_token() for _ in range(100)})) == (43, 100)
    assert hash_token(token) == sha256(token.encode()).digest()


@pytest.mark.parametrize("token", ["", "x" * 42, "x" * 44, "あ" * 43, "\ud800" * 43])
def test_malformed_token_is_unknown(token: str) -> None:
    with pytest.raises(Refusal) as refused:
        hash_token(token)
    assert refused.value.reason == "CARD_SESSION_UNKNOWN"


@pytest.mark.parametrize("operation", [Operation.REGISTRATION, Operation.CHANGE, Operation.RENEWAL, Operation.VIEW])
@pytest.mark.parametrize("role", list(Role))
def test_only_a_renewal_has_two_roles(operation: Operation, role: Role) -> None:
    if (operation is Operation.RENEWAL) == (role is not Role.SOLE):
        require_role(operation, role)
    else:
        with pytest.raises(Refusal, match="CARD_ROLE_INVALID"):
            require_role(operation, role)


def test_session_expires_after_ten_idle_minutes() -> None:
    require_open(SESSION, NOW + 10 * MINUTE)
    assert _reason(SESSION, 10 * MINUTE + TICK) == "CARD_SESSION_EXPIRED"


def test_session_expires_after_an_hour_of_use() -> None:
    used = dataclasses.replace(SESSION, last_used_at=NOW + 55 * MINUTE)
    assert used.expires_at == NOW + 60 * MINUTE
    require_open(used, NOW + 60 * MINUTE)
    assert _reason(used, 60 * MINUTE + TICK) == "CARD_SESSION_EXPIRED"


def test_ended_session_is_unknown() -> None:
    assert _reason(dataclasses.replace(SESSION, ended_at=NOW), MINUTE) == "CARD_SESSION_UNKNOWN"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"operation": Operation.CHANGE}, "CARD_SESSION_FOR_ANOTHER_OPERATION"),
        ({"role": Role.OLD}, "CARD_SESSION_FOR_ANOTHER_ROLE"),
        ({"agency": "kawagoe-shi"}, "CARD_SESSION_FOR_ANOTHER_AGENCY"),
        ({"category": "goods"}, "CARD_SESSION_FOR_ANOTHER_CATEGORY"),
    ],
)
def test_session_is_valid_only_for_its_scope(changes: dict[str, Any], reason: str | None) -> None:
    scope = dataclasses.replace(SCOPE, **changes)
    if reason is None:
        require_scope(SESSION, scope)
    else:
        with pytest.raises(Refusal) as refused:
            require_scope(SESSION, scope)
        assert refused.value.reason == reason
        assert refused.value.metadata["found"] != refused.value.metadata["asked"]
