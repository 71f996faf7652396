"""The proof that one entry is in the history: checked with a public key, and without the instance.

A receipt's JSON has the `format`, the `entry` (its digest), `position`, `path` (hashes from the leaf upwards) and the
`head`, with numbers in decimal, hashes and the signature in hexadecimal, and `sealed_at` in UTC with six decimals.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from history.entries import write_instant
from history.heads import Head, PublicKeys, is_signed
from history.merkle import fold_path

_FORMAT = "toroku history receipt v1"


class ReceiptFault(StrEnum):
    """Why a receipt proves nothing."""

    UNREADABLE = "it is no receipt, or not all of one, or of a format that is not known here"
    OF_ANOTHER_ENTRY = "it is the receipt of another entry"
    KEY_UNKNOWN = "its head is signed by a key that is not among the public keys"
    SIGNATURE_WRONG = "the signature of its head is wrong"
    PATH_WRONG = "its path does not lead to the root of its head"


class ReceiptInvalid(Exception):
    """The receipt does not prove that its entry is in the history. The text says why, and quotes nothing."""

    def __init__(self, fault: ReceiptFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Receipt:
    """The digest of an entry, its position in the history from 1, its path to the root, and the head; not verified."""

    entry: bytes
    position: int
    path: tuple[bytes, ...]
    head: Head


def verify_receipt(receipt: Receipt, keys: PublicKeys, *, entry: bytes | None = None) -> Head:
    """Returns the head that proves it; raises ReceiptInvalid.

    With `entry`, it has to be the proof of this digest, which was promised at the commit.
    """
    head = receipt.head
    if entry is not None and receipt.entry != entry:
        raise ReceiptInvalid(ReceiptFault.OF_ANOTHER_ENTRY)
    key = keys.get(head.key_id)
    if key is None:
        raise ReceiptInvalid(ReceiptFault.KEY_UNKNOWN)
    if not is_signed(head, key):
        raise ReceiptInvalid(ReceiptFault.SIGNATURE_WRONG)
    root = fold_path(receipt.entry, receipt.position - head.first_position, head.size, receipt.path)
    if root != head.root:
        raise ReceiptInvalid(ReceiptFault.PATH_WRONG)
    return head


def write_receipt(receipt: Receipt) -> str:
    """Returns a receipt as JSON."""
    return json.dumps(
        {
            "format": _FORMAT,
            "entry": receipt.entry.hex(),
            "position": receipt.position,
            "path": [sibling.hex() for sibling in receipt.path],
            "head": _write_head(receipt.head),
        },
        indent=1,
    )


def read_receipt(text: str) -> Receipt:
    """Returns a receipt from its JSON; raises ReceiptInvalid where it is none."""
    try:
        content = json.loads(text)
        if content["format"] != _FORMAT:
            raise ReceiptInvalid(ReceiptFault.UNREADABLE)
        return Receipt(
            entry=_read_hash(content["entry"]),
            position=_read_number(content["position"]),
            path=tuple(map(_read_hash, content["path"])),
            head=_read_head(content["head"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ReceiptInvalid(ReceiptFault.UNREADABLE) from None


def write_head(head: Head) -> str:
    """Returns a head with its signature as JSON, as it stands in a receipt: what witnesses keep."""
    return json.dumps(_write_head(head))


def read_head(text: str) -> Head:
    """Returns a head from its JSON, not verified; raises ReceiptInvalid where it is none."""
    try:
        return _read_head(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ReceiptInvalid(ReceiptFault.UNREADABLE) from None


def _write_head(head: Head) -> Mapping[str, Any]:
    return {
        "chain": head.chain.hex(),
        "number": head.number,
        "first_position": head.first_position,
        "last_position": head.last_position,
        "sealed_at": write_instant(head.sealed_at),
        "root": head.root.hex(),
        "previous": head.previous.hex(),
        "key_id": head.key_id,
        "signature": head.signature.hex(),
    }


def _read_head(content: Mapping[str, Any]) -> Head:
    sealed_at = datetime.fromisoformat(content["sealed_at"])
    if sealed_at.tzinfo is None:
        raise ValueError
    return Head(
        chain=_read_hash(content["chain"]),
        number=_read_number(content["number"]),
        first_position=_read_number(content["first_position"]),
        last_position=_read_number(content["last_position"]),
        sealed_at=sealed_at,
        root=_read_hash(content["root"]),
        previous=_read_hash(content["previous"]),
        key_id=str(content["key_id"]),
        signature=bytes.fromhex(content["signature"]),
    )


def _read_hash(text: str) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != 32:
        raise ValueError
    return value


def _read_number(value: object) -> int:
    if type(value) is not int or not 0 < value < 1 << 63:
        raise ValueError
    return value
