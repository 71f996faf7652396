"""A receipt as a mail has it: some lines that are copied with the mail, or with the whole of it.

The lines are base64 (RFC 4648) of: 9 bytes that the base64 begins with `TorokuProof1` for, the number of hashes in the
path (1 byte), the position of the entry (8, big-endian), its digest (32), the statement of the head (128), the key id
(8), the signature (64), and the hashes of the path (32 each). That is all that a receipt's JSON has.
"""

import re
from base64 import b64decode, encodebytes
from binascii import Error
from datetime import UTC, datetime, timedelta

from history.heads import Head
from history.receipt import Receipt, ReceiptFault, ReceiptInvalid, read_receipt

_MARK = "TorokuProof1"
_MAGIC = b64decode(_MARK)
_HASH = 32
_STATEMENT = 128
_KEY_ID = 8
_SIGNATURE = 64
# With a path of no hash.
_LEAST = len(_MAGIC) + 1 + 8 + _HASH + _STATEMENT + _KEY_ID + _SIGNATURE
# Twelve are enough for a batch (heads.MOST_ENTRIES).
_MOST_HASHES = 64
MOST_BYTES = _LEAST + _MOST_HASHES * _HASH
# What quoting and line breaks put between the characters of base64.
_BETWEEN = re.compile(r"[\s>|]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")
_SHOWN_DIGEST = re.compile(r"記録の指紋\s*[:：]\s*([0-9A-Fa-f]{64})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode_receipt(receipt: Receipt) -> bytes:
    """Returns a receipt in the bytes of its lines."""
    head = receipt.head
    return b"".join(
        (
            _MAGIC,
            len(receipt.path).to_bytes(1, "big"),
            receipt.position.to_bytes(8, "big"),
            receipt.entry,
            head.statement,
            bytes.fromhex(head.key_id),
            head.signature,
            *receipt.path,
        )
    )


def write_lines(proof: bytes) -> str:
    """Returns the lines of a receipt's bytes: 76 characters at most, without a line break at the end."""
    return encodebytes(proof).decode("ascii").rstrip("\n")


def is_proof(proof: bytes) -> bool:
    """Returns whether these are the bytes of a receipt, by their beginning and length; the receipt is not verified."""
    return (
        proof.startswith(_MAGIC)
        and len(proof) >= _LEAST
        and proof[len(_MAGIC)] <= _MOST_HASHES
        and len(proof) == _LEAST + proof[len(_MAGIC)] * _HASH
    )


def find_receipt_in_text(text: str) -> Receipt:
    """Returns a receipt from its JSON, from the lines of a mail, or from a mail that has them, also a quoted one.

    It is not verified. Raises ReceiptInvalid where there is none, or where the mail shows the digest of another entry.
    """
    start = text.find(_MARK)
    if start < 0:
        return read_receipt(text)
    characters = _BETWEEN.sub("", text[start:])
    found = _BASE64.match(characters)
    proof = _decode(found[0] if found is not None else "")
    receipt = _decode_receipt(proof)
    shown = _SHOWN_DIGEST.search(text)
    if shown is not None and bytes.fromhex(shown[1]) != receipt.entry:
        raise ReceiptInvalid(ReceiptFault.OF_ANOTHER_ENTRY)
    return receipt


def _decode(characters: str) -> bytes:
    """Returns the bytes at the beginning of these characters; what follows in the mail may look like base64 too."""
    # So many characters have the number of hashes.
    first = characters[:16]
    if len(first) < 16:
        raise ReceiptInvalid(ReceiptFault.UNREADABLE)
    try:
        size = _LEAST + b64decode(first, validate=True)[len(_MAGIC)] * _HASH
        needed = characters[: (size + 2) // 3 * 4]
        return b64decode(needed, validate=True)
    except (Error, ValueError, IndexError):
        raise ReceiptInvalid(ReceiptFault.UNREADABLE) from None


def _decode_receipt(proof: bytes) -> Receipt:
    if not is_proof(proof):
        raise ReceiptInvalid(ReceiptFault.UNREADABLE)
    parts: list[bytes] = []
    place = len(_MAGIC) + 1
    for size in (8, _HASH, _STATEMENT, _KEY_ID, _SIGNATURE, *[_HASH] * proof[len(_MAGIC)]):
        parts.append(proof[place : place + size])
        place += size
    position, entry, statement, key_id, signature, *path = parts
    number, first, last, microseconds = (
        int.from_bytes(statement[place : place + 8], "big", signed=True) for place in range(32, 64, 8)
    )
    try:
        sealed_at = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise ReceiptInvalid(ReceiptFault.UNREADABLE) from None
    head = Head(
        chain=statement[:32],
        number=number,
        first_position=first,
        last_position=last,
        sealed_at=sealed_at,
        root=statement[64:96],
        previous=statement[96:],
        key_id=key_id.hex(),
        signature=signature,
    )
    return Receipt(entry, int.from_bytes(position, "big"), tuple(path), head)
