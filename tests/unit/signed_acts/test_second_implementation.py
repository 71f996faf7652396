"""An implementation in Node and this one accept, refuse and hash the same purposes, forms and lists."""

import base64
import json
import random
import subprocess
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from google.protobuf.json_format import ParseDict

from refusals import Refusal
from signed_acts.keys import KEYS, SubjectKind
from signed_acts.operations import OFFICER, RULES
from signed_acts.purpose import decode, encode
from signed_acts.request import hash_canonical
from signed_acts.signature import PURPOSE_PREFIX, SignatureAlgorithm, parse_signature_algorithm, verify_card_signature
from signed_acts.subjects import hash_subjects
from toroku.frontdoor.v1 import front_door_pb2

PROGRAM = Path(__file__).with_name("purposes.js")
VECTORS = Path(__file__).parents[3] / "protos" / "vectors" / "purposes.json"
RPC = "toroku.qualification.v1.QualificationRegistry/CommitRoster"


@cache
def vectors() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(VECTORS.read_text("utf-8"))
    return content


def run_node(*arguments: str | Path, lines: Sequence[bytes] = ()) -> list[str]:
    sent = "".join(base64.b64encode(line).decode() + "\n" for line in lines)
    return subprocess.run(
        ["node", PROGRAM, *arguments], input=sent, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def judge(encoded: bytes) -> str:
    """Returns the SHA-256 of an accepted purpose in hexadecimal, as the program in Node does, or `refused`."""
    try:
        assert encode(decode(encoded)) == encoded
    except Refusal:
        return "refused"
    return sha256(encoded).hexdigest()


def test_committed_vectors_are_those_that_node_makes() -> None:
    assert run_node("check", VECTORS) == []


def test_vectors_have_every_row_of_the_table() -> None:
    rows = set()
    for vector in vectors()["accepted"]:
        purpose = decode(vector["bytes"].encode())
        rows.add((OFFICER if "/" in purpose.operation else purpose.operation, purpose.type, purpose.role))
    assert rows == set(RULES)
    assert {key for vector in vectors()["accepted"] for key in vector["purpose"]} == set(KEYS)


def test_purposes_of_node_are_accepted_and_encoded_alike() -> None:
    assert base64.b64decode(vectors()["prefix"]) == PURPOSE_PREFIX
    for vector in vectors()["accepted"]:
        encoded = vector["bytes"].encode()
        assert judge(encoded) == vector["sha256"], vector["name"]
        assert rfc8785.dumps(vector["purpose"]) == encoded


@pytest.mark.parametrize("vector", vectors()["refused"], ids=lambda vector: vector["name"])
def test_what_node_refuses_is_refused(vector: dict[str, str]) -> None:
    assert judge(base64.b64decode(vector["base64"])) == "refused"


def test_forms_have_the_hashes_that_node_computes() -> None:
    for vector in vectors()["forms"]:
        assert vector["message"] == front_door_pb2.RegistrationForm.DESCRIPTOR.full_name
        form = ParseDict(vector["values"], front_door_pb2.RegistrationForm())
        assert hash_canonical(form).hex() == vector["sha256"] == sha256(vector["canonical"].encode()).hexdigest()


def test_lists_of_subjects_have_the_hashes_that_node_computes() -> None:
    for vector in vectors()["subjects"]:
        subjects = hash_subjects(SubjectKind(vector["kind"]), vector["ids"])
        assert (subjects.sha256.hex(), subjects.count) == (vector["sha256"], vector["count"])


def test_signatures_of_node_are_verified() -> None:
    assert {vector["algorithm"] for vector in vectors()["signatures"]} == {name.value for name in SignatureAlgorithm}
    for vector in vectors()["signatures"]:
        key, signature = base64.b64decode(vector["public_key"]), base64.b64decode(vector["signature"])
        algorithm = parse_signature_algorithm(vector["algorithm"])
        verify_card_signature(key, algorithm, vector["purpose"].encode(), signature)
        with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
            verify_card_signature(key, algorithm, vector["purpose"].encode() + b" ", signature)


def test_both_judge_every_altered_purpose_alike() -> None:
    chance = random.Random(30)  # noqa: S311  # decides what is tried, and nothing else
    inputs = [alter(chance) for _ in range(3000)]
    own = [judge(encoded) for encoded in inputs]
    differences = [
        (encoded, ours, theirs)
        for encoded, ours, theirs in zip(inputs, own, run_node("judge", lines=inputs), strict=True)
        if ours != theirs
    ]
    assert differences == []
    # Neither all nor nothing of it is refused.
    assert 0.1 < own.count("refused") / len(own) < 0.95


def alter(chance: random.Random) -> bytes:
    """Returns a purpose of the vectors with a change that may leave it valid."""
    purposes = [vector["purpose"] for vector in vectors()["accepted"]]
    values = dict(chance.choice(purposes))
    match chance.randrange(8):
        case 0:
            pass
        case 1:  # another operation, type or role
            key = chance.choice(["operation", "type", "role"])
            values[key] = chance.choice([purpose[key] for purpose in purposes])
        case 2:  # a key of another purpose
            other = chance.choice(purposes)
            key = chance.choice(list(other))
            values[key] = other[key]
        case 3:  # one key fewer
            del values[chance.choice(list(values))]
        case 4:  # a value of another kind, or an unusual one
            values[chance.choice(list(values))] = chance.choice(UNUSUAL)
        case 5:  # an unusual character in a line
            values["lines"] = ["登録" + chr(chance.choice(CODE_POINTS)) + chance.choice(["", "する"])]
        case 6:  # a shorter or longer text
            key = chance.choice(list(values))
            if isinstance(values[key], str):
                values[key] = chance.choice([values[key][1:], values[key][:-1], values[key] * 2, values[key] + "0"])
        case _:  # another byte
            encoded = bytearray(rfc8785.dumps(values))
            encoded[chance.randrange(len(encoded))] ^= 1 << chance.randrange(8)
            return bytes(encoded)
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=chance.random() < 0.05).encode(
        "utf-8", "surrogatepass"
    )


UNUSUAL: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    1.5,
    1e21,
    2**53,
    "",
    " ",
    "\u3000",
    "a" * 64,
    "A" * 64,
    "a" * 65,
    "𠮷",
    "é",
    "e\u0301",
    [],
    [[]],
    [""],
    ["\u3000"],
    ["x" * 400],
    ["𠮷" * 400],
    ["x" * 401],
    ["x"] * 32,
    ["x"] * 33,
    ["a" * 64],
    ["a" * 64, "b" * 64],
    ["b" * 64, "a" * 64],
    {},
    {"count": 1, "kind": "card", "sha256": "a" * 64},
    {"count": 1.0, "kind": "card", "sha256": "a" * 64},
    {"count": 1000001, "kind": "card", "sha256": "a" * 64},
    {"kind": "card", "sha256": "a" * 64},
    {"count": 1, "kind": "card", "sha256": "a" * 64, "ids": []},
    "https://a",
    "https://",
    "http://a",
    RPC,
    RPC + "s",
    RPC.replace("v1", "v0"),
    OFFICER,
    "officer",
    "toroku.a.v1.B/C",
]
# Controls, spaces, separators, marks of direction, joiners, surrogates, private use, and what is in a name.
CODE_POINTS = [
    *range(0x21),
    *range(0x7F, 0xA2),
    0xAD,
    0x61C,
    0x1680,
    *range(0x2000, 0x2070),
    0x3000,
    0xD800,
    0xDFFF,
    0xE000,
    0xFA11,
    0xFEFF,
    0xFFFD,
    0xFFFF,
    0x20BB7,
    0xE0001,
    0xE0100,
    0x10FFFF,
]
