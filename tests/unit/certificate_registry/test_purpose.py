"""A purpose has one encoding, and is valid only for its own use."""

import base64
import dataclasses
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from certificate_registry.domain.purpose import (
    MOST_PURPOSE_BYTES,
    Act,
    Operation,
    Purpose,
    PurposeType,
    Role,
    decode,
    encode,
    expect,
    expect_act,
)
from refusals import Refusal

pytestmark = pytest.mark.requirement("CRD-01")
REQUEST_ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
LOG_IN = Purpose(
    instance="saitama",
    type=PurposeType.LOG_IN,
    operation=Operation.REGISTRATION,
    role=Role.SOLE,
    agency="saitama-ken",
    category="works",
    nonce=bytes(range(32)),
    certificate_sha256=bytes(range(100, 132)),
)
ACT = dataclasses.replace(
    LOG_IN,
    type=PurposeType.ACT,
    act=Act("0000123456", REQUEST_ID, bytes(32), ("利用者登録を行います", "髙橋建設㈱（0000123456）")),
)

codes = st.from_regex(r"[a-z][a-z0-9-]{1,30}", fullmatch=True)
lines = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), min_size=1, max_size=60)
acts = st.builds(
    Act,
    bidder_id=st.from_regex(r"[0-9A-Z]{1,12}", fullmatch=True),
    request_id=st.uuids().map(str),
    request_sha256=st.binary(min_size=32, max_size=32),
    lines=st.lists(lines, min_size=1, max_size=8).map(tuple),
)


@st.composite
def purposes(draw: st.DrawFn) -> Purpose:
    type_ = draw(st.sampled_from(PurposeType))
    return Purpose(
        instance=draw(codes),
        type=type_,
        operation=draw(st.sampled_from(Operation)),
        role=draw(st.sampled_from(Role)),
        agency=draw(codes),
        category=draw(codes),
        nonce=draw(st.binary(min_size=32, max_size=32)),
        certificate_sha256=draw(st.binary(min_size=32, max_size=32)),
        act=draw(acts) if type_ is PurposeType.ACT else None,
    )


def _part(encoded: bytes) -> str:
    with pytest.raises(Refusal) as refused:
        decode(encoded)
    assert refused.value.reason == "PURPOSE_MALFORMED"
    return refused.value.metadata["part"]


def _changed(purpose: Purpose = ACT, **changes: object) -> bytes:
    values: dict[str, Any] = json.loads(encode(purpose)) | changes
    return rfc8785.dumps({key: value for key, value in values.items() if value is not None})


def test_encoding_is_canonical_json() -> None:
    assert encode(LOG_IN) == (
        b'{"agency":"saitama-ken","category":"works",'
        b'"certificate_sha256":"6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283",'
        b'"instance":"saitama","nonce":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",'
        b'"operation":"registration","role":"sole","type":"log-in"}'
    )
    assert json.loads(encode(ACT))["lines"] == ["利用者登録を行います", "髙橋建設㈱（0000123456）"]
    assert "髙橋建設㈱".encode() in encode(ACT), "canonical JSON keeps characters as they are"


@given(purposes())
def test_encoded_purpose_is_decoded(purpose: Purpose) -> None:
    assert decode(encode(purpose)) == purpose


@settings(max_examples=400)
@given(purposes(), st.data())
def test_altered_byte_is_refused_or_makes_another_purpose(purpose: Purpose, data: st.DataObject) -> None:
    encoded = bytearray(encode(purpose))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(bytes(encoded))
    except Refusal as refusal:
        assert refusal.reason == "PURPOSE_MALFORMED"  # noqa: PT017  # the other outcome is looked at below
    else:
        assert found != purpose
        assert encode(found) == bytes(encoded), "there is one encoding only"


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(encoded: bytes) -> None:
    assert _part(encoded) == "encoding"


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text.replace(",", ", "),
        lambda text: text.replace("saitama-ken", "saitama\\u002dken"),
        lambda text: text.replace("㈱", "\\u3231"),
        lambda text: "\ufeff" + text,
        lambda text: "{" + ",".join(reversed(text[1:-1].split(","))) + "}",
        lambda _: "[" * 9000,
        lambda _: "NaN",
        lambda _: "null",
        lambda text: text.replace('"works"', '"\\ud800"'),
    ],
)
def test_other_encoding_of_the_same_purpose_is_refused(alter: Any) -> None:
    assert _part(alter(encode(ACT).decode()).encode()) == "encoding"


def test_duplicate_key_is_refused() -> None:
    twin = encode(LOG_IN).replace(b'"category"', b'"agency":"kawagoe-shi","category"')
    assert _part(twin) == "duplicate key"


@pytest.mark.parametrize("purpose", [LOG_IN, ACT], ids=["log-in", "act"])
def test_missing_key_is_refused(purpose: Purpose) -> None:
    for key in json.loads(encode(purpose)):
        changes: dict[str, Any] = {key: None}
        assert _part(_changed(purpose, **changes)) == key


@pytest.mark.parametrize("extra", [{"extra": ""}, {"request_id": REQUEST_ID}, {"lines": ["x"]}, {"": "x"}])
def test_unknown_key_is_refused(extra: dict[str, Any]) -> None:
    assert _part(_changed(LOG_IN, **extra)).startswith("unknown key")


WRONG_VALUES: dict[str, list[object]] = {
    "instance": ["", "埼玉", "-a", "a" * 65, 7, ["a"], "a\n"],
    "type": ["", "login", "LOG-IN", 1],
    "operation": ["登録", "", ["registration"], {}],
    "role": ["SOLE", "third", 0],
    "agency": ["a b", "a/b", 1.5, True],
    "nonce": ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "B", "+" * 43, 9],
    "certificate_sha256": ["00", "A" * 64, "g" * 64, "0" * 66],
    "bidder_id": ["", "1 2", "１２", "1" * 65],
    "request_id": ["", REQUEST_ID[:-1], REQUEST_ID.replace("-", ""), f"{{{REQUEST_ID}}}"],
    "request_sha256": ["", "0" * 63],
    "lines": [[], "x", [""], [7], ["x"] * 33, ["x" * 401], {"0": "x"}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG_VALUES.items() for value in values])
def test_malformed_value_is_refused(key: str, value: object) -> None:
    changes: dict[str, Any] = {key: value}
    assert _part(_changed(**changes)) == key


@pytest.mark.parametrize("sign", ["\n", "\x00", "\x1b[2J", "\u2028", "\u202e", "\u2066", "\u200f"])
def test_line_with_invisible_or_reordering_characters_is_refused(sign: str) -> None:
    assert ACT.act is not None
    act = dataclasses.replace(ACT.act, lines=(f"登録{sign}します",))
    with pytest.raises(Refusal) as refused:
        encode(dataclasses.replace(ACT, act=act))
    assert refused.value.metadata == {"part": "lines"}


def test_rare_characters_of_names_are_accepted_in_a_line() -> None:
    assert ACT.act is not None
    act = dataclasses.replace(ACT.act, lines=("𠮷野家\U000e0100 外字\ue000商事 鷗\u9fef",))
    purpose = dataclasses.replace(ACT, act=act)
    assert decode(encode(purpose)) == purpose


def test_too_large_input_is_refused() -> None:
    assert _part(b" " * (MOST_PURPOSE_BYTES + 1)) == "size"


@pytest.mark.parametrize(
    "wrong",
    [
        dataclasses.replace(LOG_IN, nonce=bytes(31)),
        dataclasses.replace(LOG_IN, certificate_sha256=b""),
        dataclasses.replace(LOG_IN, act=ACT.act),
        dataclasses.replace(LOG_IN, type=PurposeType.ACT),
        dataclasses.replace(LOG_IN, instance="埼玉"),
    ],
    ids=["nonce", "certificate", "act too much", "no act", "instance"],
)
def test_purpose_that_can_not_be_decoded_is_not_encoded(wrong: Purpose) -> None:
    with pytest.raises(Refusal) as refused:
        encode(wrong)
    assert refused.value.reason == "PURPOSE_MALFORMED"


class TestExpecting:
    """A purpose is valid only for its own use; the refusal names the difference."""

    def _expect(self, purpose: Purpose) -> None:
        expect(
            purpose,
            instance="saitama",
            type=PurposeType.LOG_IN,
            operation=Operation.REGISTRATION,
            agency="saitama-ken",
            category="works",
            certificate_sha256=LOG_IN.certificate_sha256,
        )

    def test_matching_purpose_is_accepted(self) -> None:
        self._expect(LOG_IN)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"instance": "aomori"}, "PURPOSE_FOR_ANOTHER_INSTANCE"),
            ({"type": PurposeType.ACT}, "PURPOSE_FOR_ANOTHER_TYPE"),
            ({"operation": Operation.RENEWAL}, "PURPOSE_FOR_ANOTHER_OPERATION"),
            ({"role": Role.OLD}, "PURPOSE_FOR_ANOTHER_ROLE"),
            ({"agency": "kawagoe-shi"}, "PURPOSE_FOR_ANOTHER_AGENCY"),
            ({"category": "goods"}, "PURPOSE_FOR_ANOTHER_CATEGORY"),
            ({"certificate_sha256": bytes(32)}, "PURPOSE_FOR_ANOTHER_CARD"),
        ],
    )
    def test_refusal_names_the_difference(self, changes: dict[str, Any], reason: str) -> None:
        with pytest.raises(Refusal) as refused:
            self._expect(dataclasses.replace(LOG_IN, **changes))
        assert refused.value.reason == reason
        assert refused.value.metadata["found"] != refused.value.metadata["expected"]

    def test_act_is_for_one_bidder_and_one_request(self) -> None:
        assert ACT.act is not None
        good: dict[str, Any] = {"bidder_id": "0000123456", "request_id": REQUEST_ID, "request_sha256": bytes(32)}
        assert expect_act(ACT, **good) == ACT.act
        for changes, reason in (
            ({"bidder_id": "0000123457"}, "PURPOSE_FOR_ANOTHER_BIDDER"),
            ({"request_id": REQUEST_ID[:-1] + "1"}, "PURPOSE_FOR_ANOTHER_REQUEST"),
            ({"request_sha256": bytes(31) + b"\x01"}, "PURPOSE_FOR_ANOTHER_REQUEST"),
        ):
            with pytest.raises(Refusal) as refused:
                expect_act(ACT, **(good | changes))
            assert refused.value.reason == reason

    def test_log_in_is_no_act(self) -> None:
        with pytest.raises(Refusal) as refused:
            expect_act(LOG_IN, bidder_id="1", request_id=REQUEST_ID, request_sha256=bytes(32))
        assert refused.value.reason == "PURPOSE_FOR_ANOTHER_TYPE"


def test_nonce_is_encoded_without_padding() -> None:
    nonce = json.loads(encode(LOG_IN))["nonce"]
    assert (len(nonce), base64.urlsafe_b64decode(nonce + "=")) == (43, LOG_IN.nonce)
