"""A purpose has one encoding, and is valid only for its own use."""

import base64
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from refusals import Refusal
from signed_acts.keys import KEYS, SubjectKind, SubjectList
from signed_acts.operations import EVERY_ACT, EVERY_PURPOSE, OFFICER, RULES, find_row
from signed_acts.purpose import (
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

RPC = "toroku.qualification.v1.QualificationRegistry/CommitRoster"
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
    bidder_id="0000123456",
    act=Act(REQUEST_ID, bytes(32), ("利用者登録を行います", "髙橋建設㈱（0000123456）")),
)

EXAMPLES: dict[str, Any] = {
    **json.loads(encode(ACT)),
    "card_sha256": "ab" * 32,
    "person_id": "suzuki-hanako",
    "subjects": {"count": 3, "kind": "bidder", "sha256": "cd" * 32},
    "other_certificate_sha256": "01" * 32,
    "successor_key_sha256": "23" * 32,
    "proposal_sha256": "45" * 32,
    "notes_sha256": ["67" * 32, "89" * 32],
    "client": "tender-saitama",
    "redirect": "https://tender.example/return?x=1",
    "openid_nonce": "n-0S6_WzA2Mj",
}
codes = st.from_regex(r"[a-z][a-z0-9-]{1,30}", fullmatch=True)
bidders = st.from_regex(r"[0-9A-Z]{1,12}", fullmatch=True)
hashes = st.binary(min_size=32, max_size=32)
visible = st.from_regex(r"[!-~]{1,40}", fullmatch=True)
lines = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs", "Cf"]), min_size=1, max_size=60)
acts = st.builds(
    Act,
    request_id=st.uuids().map(str),
    request_sha256=hashes,
    lines=st.lists(lines, min_size=1, max_size=8).map(tuple),
)
operations = st.sampled_from(list(RULES))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "agency": codes,
    "category": codes,
    "bidder_id": bidders,
    "card_sha256": hashes,
    "person_id": codes,
    "subjects": st.builds(SubjectList, st.sampled_from(SubjectKind), st.integers(1, 1_000_000), hashes),
    "other_certificate_sha256": hashes,
    "successor_key_sha256": hashes,
    "proposal_sha256": hashes,
    "notes_sha256": st.sets(hashes, min_size=1, max_size=5).map(lambda notes: tuple(sorted(notes))),
    "client": visible,
    "redirect": visible.map(lambda path: f"https://tender.example/{path}"),
    "openid_nonce": visible,
}


@st.composite
def purposes(draw: st.DrawFn) -> Purpose:
    row, type_, role = draw(operations)
    rule = RULES[row, type_, role]
    optional = draw(st.sets(st.sampled_from(sorted(rule.optional)))) if rule.optional else set()
    return Purpose(
        instance=draw(codes),
        type=type_,
        operation=RPC if row == OFFICER else Operation(row),
        role=role,
        nonce=draw(hashes),
        certificate_sha256=draw(hashes),
        act=draw(acts) if type_ is PurposeType.ACT else None,
        **{key: draw(VALUES[key]) for key in sorted((rule.compulsory - EVERY_ACT) | optional)},
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
        assert refusal.reason in ("PURPOSE_MALFORMED", "PURPOSE_OPERATION_UNKNOWN")  # noqa: PT017  # the other outcome is looked at below
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
    "operation": [["registration"], {}, None, 7],
    "role": ["SOLE", "third", 0],
    "agency": ["a b", "a/b", 1.5, True],
    "nonce": ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "B", "+" * 43, 9],
    "certificate_sha256": ["00", "A" * 64, "g" * 64, "0" * 66],
    "bidder_id": ["", "1 2", "１２", "1" * 65],
    "request_id": ["", REQUEST_ID[:-1], REQUEST_ID.upper(), REQUEST_ID.replace("-", ""), f"{{{REQUEST_ID}}}"],
    "request_sha256": ["", "0" * 63],
    "lines": [[], "x", [""], [" "], ["　"], [7], ["x"] * 33, ["x" * 401], {"0": "x"}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG_VALUES.items() for value in values])
def test_malformed_value_is_refused(key: str, value: object) -> None:
    changes: dict[str, Any] = {key: value}
    assert _part(_changed(**changes)) == key


WRONG_VALUES_OF_OTHERS: dict[str, list[object]] = {
    "card_sha256": ["AB" * 32, "ab" * 31, 5],
    "person_id": ["", "a b", "鈴木"],
    "subjects": [
        {},
        [],
        "ab",
        {"count": 0, "kind": "bidder", "sha256": "ab" * 32},
        {"count": 1_000_001, "kind": "bidder", "sha256": "ab" * 32},
        {"count": True, "kind": "bidder", "sha256": "ab" * 32},
        {"count": 1.5, "kind": "bidder", "sha256": "ab" * 32},
        {"count": "1", "kind": "bidder", "sha256": "ab" * 32},
        {"count": 1, "kind": "company", "sha256": "ab" * 32},
        {"count": 1, "kind": ["bidder"], "sha256": "ab" * 32},
        {"count": 1, "kind": "bidder", "sha256": "ab"},
        {"count": 1, "kind": "bidder", "sha256": "ab" * 32, "ids": []},
    ],
    "proposal_sha256": [None, "", ["ab" * 32]],
    "notes_sha256": [[], "ab" * 32, ["ab" * 32] * 2, ["cd" * 32, "ab" * 32], ["ab"], [f"{n:064x}" for n in range(65)]],
    "client": ["", "a b", "鈴", "c" * 129],
    "redirect": ["", "http://tender.example/", "https://", "https://tender.example/a b", "https://t/" + "x" * 1015],
    "openid_nonce": ["", " ", "n" * 257],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG_VALUES_OF_OTHERS.items() for value in values]
)
def test_malformed_value_of_another_operation_is_refused(key: str, value: object) -> None:
    tender = {"type": "log-in", "operation": "tender-log-in"} if key in {"client", "redirect", "openid_nonce"} else None
    values = {key: EXAMPLES[key] for key in ("client", "redirect")} if tender else {"operation": RPC}
    start = LOG_IN if tender else ACT
    encoded = json.loads(encode(start)) | values | (tender or {}) | {key: value}
    assert _part(rfc8785.dumps(encoded)) == key


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
        dataclasses.replace(LOG_IN, bidder_id="0000123456"),
        dataclasses.replace(LOG_IN, operation=Operation.RENEWAL),
        dataclasses.replace(LOG_IN, operation=Operation.VIEW, notes_sha256=()),
    ],
    ids=["nonce", "certificate", "act too much", "no act", "instance", "bidder", "role", "no notes"],
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
        good: dict[str, Any] = {"bidder_id": "0000123456", "request_id": REQUEST_ID, "request_sha256": bytes(32)}
        assert expect_act(ACT, **good) == ACT.act
        for changes, reason in (
            ({"bidder_id": "0000123457"}, "PURPOSE_FOR_ANOTHER_BIDDER"),
            ({"bidder_id": None}, "PURPOSE_FOR_ANOTHER_BIDDER"),
            ({"request_id": REQUEST_ID[:-1] + "1"}, "PURPOSE_FOR_ANOTHER_REQUEST"),
            ({"request_sha256": bytes(31) + b"\x01"}, "PURPOSE_FOR_ANOTHER_REQUEST"),
        ):
            with pytest.raises(Refusal) as refused:
                expect_act(ACT, **(good | changes))
            assert refused.value.reason == reason

    @pytest.mark.parametrize(
        ("key", "value", "reason"),
        [
            ("card_sha256", bytes(32), "PURPOSE_FOR_ANOTHER_SUBJECT"),
            ("person_id", "suzuki", "PURPOSE_FOR_ANOTHER_SUBJECT"),
            ("subjects", SubjectList(SubjectKind.CARD, 2, bytes(32)), "PURPOSE_FOR_ANOTHER_SUBJECT"),
            ("other_certificate_sha256", bytes(32), "PURPOSE_FOR_ANOTHER_REQUEST"),
            ("successor_key_sha256", bytes(32), "PURPOSE_FOR_ANOTHER_REQUEST"),
            ("proposal_sha256", bytes(32), "PURPOSE_FOR_ANOTHER_REQUEST"),
            ("notes_sha256", (bytes(32),), "PURPOSE_FOR_ANOTHER_REQUEST"),
        ],
    )
    def test_act_that_names_more_or_less_than_expected_is_refused(self, key: str, value: Any, reason: str) -> None:
        good: dict[str, Any] = {"bidder_id": "0000123456", "request_id": REQUEST_ID, "request_sha256": bytes(32)}
        change: dict[str, Any] = {key: value}
        named = dataclasses.replace(ACT, **change)
        assert expect_act(named, **good, **change) == ACT.act
        for purpose, expected in ((named, good), (ACT, good | change)):
            with pytest.raises(Refusal) as refused:
                expect_act(purpose, **expected)
            assert refused.value.reason == reason
            assert refused.value.metadata["found"] != refused.value.metadata["expected"]

    def test_log_in_is_no_act(self) -> None:
        with pytest.raises(Refusal) as refused:
            expect_act(LOG_IN, bidder_id="1", request_id=REQUEST_ID, request_sha256=bytes(32))
        assert refused.value.reason == "PURPOSE_FOR_ANOTHER_TYPE"


@pytest.mark.parametrize(("row", "type_", "role"), RULES, ids=lambda part: str(part).replace("/", "."))
def test_table_says_which_keys_are_compulsory_and_which_forbidden(row: str, type_: PurposeType, role: Role) -> None:
    rule = RULES[row, type_, role]
    values: dict[str, Any] = {key: EXAMPLES[key] for key in EVERY_PURPOSE | rule.compulsory | rule.optional}
    values |= {"type": type_.value, "role": role.value, "operation": RPC if row == OFFICER else row}
    assert encode(decode(rfc8785.dumps(values))) == rfc8785.dumps(values)
    without_optional = {key: value for key, value in values.items() if key not in rule.optional}
    assert encode(decode(rfc8785.dumps(without_optional))) == rfc8785.dumps(without_optional)
    for key in without_optional:
        assert _part(rfc8785.dumps({other: value for other, value in values.items() if other != key})) == key
    for key in KEYS.keys() - values.keys():
        assert _part(rfc8785.dumps(values | {key: EXAMPLES[key]})) == f"unknown key {key}"


@pytest.mark.parametrize(
    ("operation", "type_", "role", "part"),
    [
        ("registration", "log-in", "old", "role"),
        ("renewal", "log-in", "sole", "role"),
        ("view", "act", "sole", "type"),
        ("tender-log-in", "act", "sole", "type"),
        (RPC, "act", "new", "role"),
    ],
)
def test_combination_that_is_not_in_the_table_is_refused(operation: str, type_: str, role: str, part: str) -> None:
    assert _part(_changed(LOG_IN, operation=operation, type=type_, role=role)) == part


@pytest.mark.parametrize(
    ("operation", "shown"),
    [
        ("", ""),
        ("登録", ""),
        ("Registration", "Registration"),
        ("withdrawal", "withdrawal"),
        ("toroku.x.v1.A", "toroku.x.v1.A"),
        ("other.x.v1.A/B", "other.x.v1.A/B"),
        ("toroku.x.v0.A/B", "toroku.x.v0.A/B"),
        ("toroku.x.v1.A/b", "toroku.x.v1.A/b"),
        ("toroku.x.v1.A/B\n", ""),
        (f"toroku.x.v1.A/{'B' * 200}", f"toroku.x.v1.A/{'B' * 50}"),
        (OFFICER, OFFICER),
    ],
)
def test_unknown_operation_is_refused_by_name(operation: str, shown: str) -> None:
    with pytest.raises(Refusal) as refused:
        decode(_changed(LOG_IN, operation=operation))
    assert (refused.value.reason, refused.value.metadata) == ("PURPOSE_OPERATION_UNKNOWN", {"operation": shown})


def test_nonce_is_encoded_without_padding() -> None:
    nonce = json.loads(encode(LOG_IN))["nonce"]
    assert (len(nonce), base64.urlsafe_b64decode(nonce + "=")) == (43, LOG_IN.nonce)


def test_every_method_of_the_proto_files_can_be_an_officers_operation() -> None:
    methods = []
    for file in sorted((Path(__file__).parents[3] / "protos" / "toroku").rglob("*.proto")):
        content = file.read_text("utf-8")
        package = re.search(r"^package (.+);", content, re.MULTILINE)
        assert package is not None
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", content, re.MULTILINE | re.DOTALL):
            methods += [
                f"{package[1]}.{service}/{method}" for method in re.findall(r"^  rpc (\w+)\(", body, re.MULTILINE)
            ]
    assert len(methods) > 30
    assert {find_row(method) for method in methods} == {OFFICER}
