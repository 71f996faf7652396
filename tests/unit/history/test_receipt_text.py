"""A receipt is found in the text of a mail, as people copy it."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from history.heads import BEFORE_THE_FIRST, Head
from history.merkle import compute_path, compute_root
from history.receipt import Receipt, ReceiptFault, ReceiptInvalid, read_head, write_head, write_receipt
from history.receipt_text import encode_receipt, find_receipt_in_text, is_proof, write_lines
from tests.support.history import CHAIN, make_key

LEAVES = [sha256(number.to_bytes(2, "big")).digest() for number in range(4096)]


@pytest.fixture(scope="module")
def receipt() -> Receipt:
    """Of an entry in the largest batch."""
    key = make_key()
    sealed_at = datetime(2026, 11, 30, 3, 0, 0, 5, tzinfo=UTC)
    head = Head(CHAIN.id, 3, 11, 4106, sealed_at, compute_root(LEAVES), BEFORE_THE_FIRST)
    signed = key.sign(head.statement)
    head = head._replace(key_id=signed.key_id, signature=signed.signature)
    return Receipt(LEAVES[3], 14, tuple(compute_path(LEAVES, 3)), head)


def write_mail(receipt: Receipt) -> str:
    lines = write_lines(encode_receipt(receipt))
    return f"登録されました。\n記録の指紋 : {receipt.entry.hex()}\n記録の証明 : \n{lines}\nFromHere\nhttps://desk.example/\n"


def test_lines_are_short_and_begin_with_the_mark(receipt: Receipt) -> None:
    lines = write_lines(encode_receipt(receipt)).split("\n")
    assert lines[0].startswith("TorokuProof1")
    assert max(map(len, lines)) == 76
    assert len(lines) == 12


@pytest.mark.parametrize(
    "copy",
    [
        lambda mail: mail,
        lambda mail: mail.replace("\n", "\r\n"),
        lambda mail: "".join(f"> > {line}\n" for line in mail.split("\n")),
        lambda mail: mail.replace("\n", "\n\n"),
        lambda mail: mail[mail.index("TorokuProof1") :],
        lambda mail: "\n".join(piece for line in mail.split("\n") for piece in (line[:50], line[50:])),
    ],
)
def test_receipt_is_found_however_the_mail_was_copied(receipt: Receipt, copy: Callable[[str], str]) -> None:
    assert find_receipt_in_text(copy(write_mail(receipt))) == receipt


def test_receipt_is_read_as_json_too(receipt: Receipt) -> None:
    assert find_receipt_in_text(write_receipt(receipt)) == receipt


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda mail: "no receipt", ReceiptFault.UNREADABLE),
        (lambda mail: mail[: mail.index("TorokuProof1") + 200], ReceiptFault.UNREADABLE),
        (lambda mail: mail[: mail.index("TorokuProof1") + 12], ReceiptFault.UNREADABLE),
        (lambda mail: mail.replace("TorokuProof1", "TorokuProof1////"), ReceiptFault.UNREADABLE),
        (lambda mail: mail.replace("記録の指紋 : ", f"記録の指紋 : {'0' * 64}"), ReceiptFault.OF_ANOTHER_ENTRY),
    ],
)
def test_mail_without_a_whole_receipt_of_its_entry_is_refused(
    receipt: Receipt, change: Callable[[str], str], fault: ReceiptFault
) -> None:
    with pytest.raises(ReceiptInvalid) as caught:
        find_receipt_in_text(change(write_mail(receipt)))
    assert caught.value.fault is fault


def test_proof_is_known_by_its_beginning_and_length(receipt: Receipt) -> None:
    proof = encode_receipt(receipt)
    assert is_proof(proof)
    for wrong in (b"", proof[:-1], proof + b"0", b"x" + proof[1:], proof[:9]):
        assert not is_proof(wrong)


def test_head_is_read_as_written(receipt: Receipt) -> None:
    assert read_head(write_head(receipt.head)) == receipt.head
    assert len(write_head(receipt.head)) < 4096
    for text in ("", "[]", "{}", write_receipt(receipt)):
        with pytest.raises(ReceiptInvalid):
            read_head(text)
