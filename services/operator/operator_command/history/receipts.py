"""The verification of a receipt, with a public key alone: nothing is asked of the instance."""

from pathlib import Path

from history.receipt import Receipt, ReceiptFault, ReceiptInvalid, verify_receipt
from history.receipt_text import find_receipt_in_text
from instance_profile.japan_time import JAPAN
from operator_command.console import console, exit_on_refusal
from operator_command.history.public_keys import load_keys
from operator_command.speech import Language, Phrase, Speech, find_language
from refusals import Code, Refusal

# A receipt has less than two thousand characters, a mail some more; another file is not read to its end.
_MOST_BYTES = 64 * 1024


def verify_file(file: Path, public_key: Path, entry: str | None, language: Language | None) -> None:
    """Prints what a receipt proves; prints why it proves nothing, and ends the process with status 1."""
    speech = Speech(language or find_language())
    with exit_on_refusal(speech):
        digest = None if entry is None else _read_digest(entry)
        keys = load_keys(public_key)
        try:
            receipt = find_receipt_in_text(_read_text(file))
            verify_receipt(receipt, keys, entry=digest)
        except ReceiptInvalid as invalid:
            raise _refuse(invalid.fault, file) from None
    said = _describe(receipt)
    console.print(speech.say(said), highlight=False, markup=False, soft_wrap=True)


def _describe(receipt: Receipt) -> Phrase:
    head = receipt.head
    when = head.sealed_at.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M:%S")
    return Phrase(
        f"この記録は、履歴の{receipt.position}番にあります。\n"
        f"　記録の要約値：{receipt.entry.hex()}\n"
        f"　封印：{head.number}番、{when}（日本時間）\n"
        f"　封印のハッシュ値：{head.hash.hex()}",
        f"This entry is in the history, at position {receipt.position}.\n"
        f"  Digest of the entry: {receipt.entry.hex()}\n"
        f"  Head: number {head.number}, sealed at {when} in Japan\n"
        f"  Hash of the head: {head.hash.hex()}",
    )


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise ReceiptInvalid(ReceiptFault.UNREADABLE) from None


def _read_digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        # No receipt is of it.
        return b""


def _refuse(fault: ReceiptFault, file: Path) -> Refusal:
    code = Code.FAILED_PRECONDITION
    metadata = {"path": str(file)}
    match fault:
        case ReceiptFault.UNREADABLE:
            return Refusal("HISTORY_RECEIPT_UNREADABLE", code, metadata)
        case ReceiptFault.OF_ANOTHER_ENTRY:
            return Refusal("HISTORY_RECEIPT_OF_ANOTHER_ENTRY", code, metadata)
        case ReceiptFault.KEY_UNKNOWN:
            return Refusal("HISTORY_RECEIPT_KEY_UNKNOWN", code, metadata)
        case ReceiptFault.SIGNATURE_WRONG:
            return Refusal("HISTORY_RECEIPT_SIGNATURE_WRONG", code, metadata)
        case ReceiptFault.PATH_WRONG:
            return Refusal("HISTORY_RECEIPT_PATH_WRONG", code, metadata)
