"""A receipt proves its entry, or is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from history.heads import BEFORE_THE_FIRST, PREFIX, Head, load_public_keys
from history.merkle import compute_path, compute_root
from history.receipt import Receipt, ReceiptInvalid, read_receipt, verify_receipt, write_receipt
from servicekit.signed_statement import SigningKey, load_verifying_keys
from tests.support.history import CHAIN

LEAVES = [sha256(bytes([number])).digest() for number in range(5)]


def sign(head: Head, key: SigningKey) -> Head:
    signed = key.sign(head.statement)
    return head._replace(key_id=signed.key_id, signature=signed.signature)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate(), PREFIX)


@pytest.fixture
def receipt(key: SigningKey) -> Receipt:
    """Of the fourth of five entries, which have the positions 11 to 15."""
    sealed_at = datetime(2026, 11, 30, 3, 0, 0, 5, tzinfo=UTC)
    head = Head(CHAIN.id, 3, 11, 15, sealed_at, compute_root(LEAVES), BEFORE_THE_FIRST)
    return Receipt(LEAVES[3], 14, tuple(compute_path(LEAVES, 3)), sign(head, key))


def test_receipt_is_verified_as_read(receipt: Receipt, key: SigningKey) -> None:
    received = read_receipt(write_receipt(receipt))
    assert received == receipt
    assert verify_receipt(received, {key.key_id: key.public_key}, entry=LEAVES[3]) == receipt.head


def test_statement_of_a_head_has_its_documented_form(receipt: Receipt) -> None:
    numbers = b"".join(number.to_bytes(8, "big") for number in (3, 11, 15, 1_796_007_600_000_005))
    by_hand = CHAIN.id + numbers + receipt.head.root + bytes(32)
    assert receipt.head.statement == by_hand
    assert receipt.head.hash == sha256(by_hand).digest()
    by_hand_chain = b'{"instance":"saitama","registry":"certificate-registry"}'
    assert CHAIN.id == sha256(by_hand_chain).digest()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda content: content.update(entry="00" * 32), "root"),
        (lambda content: content.update(position=13), "root"),
        (lambda content: content.update(position=16), "root"),
        (lambda content: content.update(position=10), "root"),
        (lambda content: content["path"].pop(), "root"),
        (lambda content: content["path"].append("00" * 32), "root"),
        (lambda content: content["path"].reverse(), "root"),
        (lambda content: content["head"].update(key_id="0" * 16), "key"),
        *(
            (lambda content, name=name, value=value: content["head"].update({name: value}), "signature")
            for name, value in {
                "chain": "00" * 32,
                "number": 4,
                "first_position": 10,
                "last_position": 14,
                "sealed_at": "2026-11-30T03:00:00.000006Z",
                "root": "00" * 32,
                "previous": "01" * 32,
                "signature": "00" * 64,
            }.items()
        ),
        *(
            (lambda content, name=name, value=value: content["head"].update({name: value}), "no receipt")
            for name, value in {
                "chain": "00" * 31,
                "number": -1,
                "first_position": "11",
                "last_position": 1 << 63,
                "sealed_at": "2026-11-30T03:00:00.000006",
                "root": 5,
                "previous": None,
                "signature": "xyz",
            }.items()
        ),
        (lambda content: content.update(format="other"), "format"),
        (lambda content: content.update(entry=None), "no receipt"),
        (lambda content: content.update(position=True), "no receipt"),
        (lambda content: content.update(path=7), "no receipt"),
        (lambda content: content.update(head=[]), "no receipt"),
        (lambda content: content.pop("head"), "no receipt"),
    ],
)
def test_changed_receipt_is_refused(
    receipt: Receipt, key: SigningKey, change: Callable[[dict[str, Any]], object], cause: str
) -> None:
    content = json.loads(write_receipt(receipt))
    change(content)
    with pytest.raises(ReceiptInvalid, match=cause):
        verify_receipt(read_receipt(json.dumps(content)), {key.key_id: key.public_key})


@pytest.mark.parametrize("text", ["", "[]", "{}", "1", "{", "[" * 100_000, '{"format": "toroku history receipt v1"}'])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(ReceiptInvalid):
        read_receipt(text)


def test_keys_have_the_names_that_the_services_give_them() -> None:
    keys = [Ed25519PrivateKey.generate().public_key() for _ in range(2)]
    pem = b"".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys)
    raw = {name: key.public_bytes_raw() for name, key in load_public_keys(pem).items()}
    assert raw == {name: key.public_bytes_raw() for name, key in load_verifying_keys(pem).items()}


def test_file_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="no key"):
        load_public_keys(b"")


def test_signature_for_another_kind_of_statement_is_refused(receipt: Receipt) -> None:
    key = SigningKey(Ed25519PrivateKey.generate(), b"toroku bidder proof v1\x00")
    forged = Receipt(receipt.entry, receipt.position, receipt.path, sign(receipt.head, key))
    with pytest.raises(ReceiptInvalid, match="signature"):
        verify_receipt(forged, {key.key_id: key.public_key})
