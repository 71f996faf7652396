"""The agent signs only purposes that it can show and that fit the person's current operation."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785

from card_agent.signing.purpose import ACT, LOG_IN, PREFIX, ExpectedPurpose, Purpose, check_purpose, read_purpose
from certificate_registry.domain import purpose as registry
from refusals import Refusal

CARD = b"\xab" * 32
REQUEST = b"\xcd" * 32
LOG_IN_VALUES: dict[str, Any] = {
    "instance": "saitama",
    "type": "log-in",
    "operation": "registration",
    "role": "sole",
    "agency": "saitama-prefecture",
    "category": "works",
    "nonce": base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode(),
    "certificate_sha256": CARD.hex(),
}
ACT_VALUES: dict[str, Any] = LOG_IN_VALUES | {
    "type": "act",
    "bidder_id": "1234567890",
    "request_id": "7f8a1c1e-6f0c-4a52-9f2b-3f1f7f6c2d11",
    "request_sha256": REQUEST.hex(),
    "lines": ["利用者登録：このICカードを髙﨑建設のカードとして登録します。", "Registration"],
}
EXPECTED = ExpectedPurpose(
    ACT, "saitama", "saitama-prefecture", "works", CARD, "1234567890", ACT_VALUES["request_id"], REQUEST
)


def encoded(values: dict[str, Any]) -> bytes:
    return rfc8785.dumps(values)


def refusal_of(encoded: bytes) -> Refusal:
    with pytest.raises(Refusal) as refused:
        read_purpose(encoded)
    return refused.value


def test_act_is_read_completely() -> None:
    purpose = read_purpose(encoded(ACT_VALUES))
    assert purpose.lines == tuple(ACT_VALUES["lines"])
    assert (purpose.certificate_sha256, purpose.request_sha256) == (CARD, REQUEST)
    assert purpose.nonce == bytes(range(32))
    check_purpose(purpose, EXPECTED)


def test_received_bytes_are_signed_unchanged() -> None:
    content = encoded(LOG_IN_VALUES)
    assert read_purpose(content).to_be_signed == b"toroku card signature v1\x00" + content
    assert PREFIX.endswith(b"\x00")


def test_agent_reads_what_the_registry_writes() -> None:
    act = registry.Act("1234567890", ACT_VALUES["request_id"], REQUEST, tuple(ACT_VALUES["lines"]))
    content = registry.encode(
        registry.Purpose(
            "saitama",
            registry.PurposeType.ACT,
            registry.Operation.REGISTRATION,
            registry.Role.SOLE,
            "saitama-prefecture",
            "works",
            bytes(range(32)),
            CARD,
            act,
        )
    )
    assert content == encoded(ACT_VALUES)
    assert read_purpose(content).lines == act.lines


def spaces(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()


def escapes(values: dict[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def unsorted(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def byte_order_mark(values: dict[str, Any]) -> bytes:
    return b"\xef\xbb\xbf" + encoded(values)


def duplicate_key(values: dict[str, Any]) -> bytes:
    return encoded(values)[:-1] + b',"type":"act"}'


def inside_a_list(values: dict[str, Any]) -> bytes:
    return b"[" + encoded(values) + b"]"


def truncated(values: dict[str, Any]) -> bytes:
    return encoded(values)[:-1]


def followed_by_more(values: dict[str, Any]) -> bytes:
    return encoded(values) + b"\n"


def cp932(values: dict[str, Any]) -> bytes:
    return encoded(values | {"lines": ["登録"]}).decode().encode("cp932")


@pytest.mark.parametrize(
    "write",
    [spaces, escapes, unsorted, byte_order_mark, duplicate_key, inside_a_list, truncated, followed_by_more, cp932],
    ids=lambda write: write.__name__,
)
def test_non_canonical_encoding_is_refused(write: Callable[[dict[str, Any]], bytes]) -> None:
    refusal = refusal_of(write(ACT_VALUES))
    assert (refusal.reason, refusal.metadata["part"]) == ("PURPOSE_MALFORMED", "encoding")


@pytest.mark.parametrize("content", [b"", b"\x00", b"null", b"[" * 5000, b'{"a":NaN}', b"x" * 100_000])
def test_other_bytes_are_refused(content: bytes) -> None:
    assert refusal_of(content).reason == "PURPOSE_MALFORMED"


@pytest.mark.parametrize("key", sorted(ACT_VALUES))
def test_missing_key_is_refused(key: str) -> None:
    values = {name: value for name, value in ACT_VALUES.items() if name != key}
    assert refusal_of(encoded(values)).reason == "PURPOSE_MALFORMED"


def test_unknown_key_is_refused() -> None:
    refusal = refusal_of(encoded(ACT_VALUES | {"amount": "1000000"}))
    assert (refusal.reason, refusal.metadata["part"]) == ("PURPOSE_MALFORMED", "amount")


def test_log_in_with_a_key_of_an_act_is_refused() -> None:
    assert refusal_of(encoded(LOG_IN_VALUES | {"bidder_id": "1234567890"})).reason == "PURPOSE_MALFORMED"


@pytest.mark.parametrize(
    "line",
    ["\x1b[2J", "a\nb", "a\rb", "a\x00b", "a\x85b", "a\u2028b", "\u202e登録", "\u2066x", "a\u200fb", "", "　"],
    ids=ascii,
)
def test_line_with_control_or_bidirectional_characters_is_refused(line: str) -> None:
    refusal = refusal_of(encoded(ACT_VALUES | {"lines": ["登録", line]}))
    assert (refusal.reason, refusal.metadata["part"]) == ("PURPOSE_MALFORMED", "lines")


@pytest.mark.parametrize("lines", [[], "登録", [1], [["登録"]], None, ["x"] * 101])
def test_lines_other_than_a_list_of_texts_are_refused(lines: object) -> None:
    assert refusal_of(encoded(ACT_VALUES | {"lines": lines})).reason == "PURPOSE_MALFORMED"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "AAAA"},
        {"nonce": LOG_IN_VALUES["nonce"] + "="},
        {"nonce": LOG_IN_VALUES["nonce"][:-1] + "9"},
        {"nonce": "+" * 43},
        {"certificate_sha256": CARD.hex().upper()},
        {"certificate_sha256": CARD.hex()[:-2]},
        {"certificate_sha256": 7},
        {"instance": ""},
        {"instance": "sai\ttama"},
        {"type": "hash"},
        {"type": 1},
    ],
)
def test_malformed_value_is_refused(changes: dict[str, Any]) -> None:
    assert refusal_of(encoded(LOG_IN_VALUES | changes)).reason == "PURPOSE_MALFORMED"


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"instance": "aomori"}, "INSTANCE"),
        ({"operation": "renewal"}, "OPERATION"),
        ({"role": "old"}, "ROLE"),
        ({"agency": "kawagoe-city"}, "AGENCY"),
        ({"category": "goods"}, "CATEGORY"),
        ({"certificate_sha256": (b"\x01" * 32).hex()}, "CARD"),
        ({"bidder_id": "1234567891"}, "BIDDER"),
        ({"request_id": "00000000-0000-0000-0000-000000000000"}, "REQUEST"),
        ({"request_sha256": (b"\x02" * 32).hex()}, "REQUEST"),
    ],
)
def test_unexpected_purpose_is_refused(changes: dict[str, Any], subject: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_purpose(read_purpose(encoded(ACT_VALUES | changes)), EXPECTED)
    assert refused.value.reason == f"PURPOSE_FOR_ANOTHER_{subject}"
    assert refused.value.metadata["found"] != refused.value.metadata["expected"]


def test_log_in_is_not_accepted_as_act_nor_act_as_log_in() -> None:
    log_in: Purpose = read_purpose(encoded(LOG_IN_VALUES))
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_TYPE"):
        check_purpose(log_in, EXPECTED)
    expected = ExpectedPurpose(LOG_IN, "saitama", "saitama-prefecture", "works", CARD)
    check_purpose(log_in, expected)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_TYPE"):
        check_purpose(read_purpose(encoded(ACT_VALUES)), expected)
