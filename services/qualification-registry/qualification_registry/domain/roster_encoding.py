"""The encoding of a text file, and which one a file has that is not in the expected one."""

from collections.abc import Iterable

from instance_profile.model import Encoding
from refusals import Code, Refusal

_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# ISO-2022-JP, the encoding of old mails: an escape sequence before Japanese.
_ISO_2022_JP_ESCAPES = (b"\x1b$B", b"\x1b$@")
_NAMES = {"utf-8": "UTF-8", "cp932": "CP932 (Shift_JIS)", "euc_jp": "EUC-JP"}
# EUC-JP before CP932: it often passes for CP932 full of half-width kana, CP932 hardly ever passes for EUC-JP.
_CANDIDATES = ("utf-8", "euc_jp", "cp932")
# Of a file, for a guess.
_SAMPLE_BYTES = 1024 * 1024
# Characters of three bytes; a longer piece of an unreadable text helps nobody.
_MOST_BYTES_SHOWN = 3


def may_have_other_encoding(pieces: Iterable[bytes], expected: Encoding) -> bool:
    """Returns whether a file has to be looked at by `refuse_other_encoding`; fast, and without a copy of all of it."""
    return expected is Encoding.CP932 or any(b"\x1b" in piece or piece.startswith(_UTF_16_MARKS) for piece in pieces)


def refuse_other_encoding(content: bytes, expected: Encoding) -> None:
    """Raises ROSTER_ENCODING_WRONG where a file surely has another encoding, although all of it may be decodable."""
    if (
        content.startswith(_UTF_16_MARKS)
        or _has_escapes(content)
        or (expected is Encoding.CP932 and _looks_like_utf_8(content))
    ):
        raise describe_wrong_encoding(content, expected)


def describe_wrong_encoding(content: bytes, expected: Encoding) -> Refusal:
    """Returns the refusal of a file that is not in the expected encoding, for the caller to raise.

    ROSTER_ENCODING_WRONG where another encoding is clear, ROSTER_BYTES_WRONG where only some bytes are wrong. Both have
    the line and the bytes that show it.
    """
    start, end = _find_wrong_bytes(content, expected.value)
    metadata = {
        "expected": _NAMES[expected.value],
        "line": str(content.count(b"\n", 0, start) + 1),
        "bytes": content[start:end].hex(" ").upper(),
    }
    if looks_like := guess_encoding(content, expected):
        return Refusal("ROSTER_ENCODING_WRONG", Code.INVALID_ARGUMENT, {**metadata, "looks_like": looks_like})
    return Refusal("ROSTER_BYTES_WRONG", Code.INVALID_ARGUMENT, metadata)


def guess_encoding(content: bytes, expected: Encoding) -> str:
    """Returns the name of the other encoding that a file probably has, for people; empty where none is clear."""
    if content.startswith(_UTF_16_MARKS):
        return "UTF-16"
    if _has_escapes(content):
        return "ISO-2022-JP"
    sample = content[:_SAMPLE_BYTES]
    # Latin letters, digits and commas of UTF-16 are a byte and a NUL.
    if sample.count(b"\0") > len(sample) // 4:
        return "UTF-16"
    if content.isascii():
        return ""
    for encoding in _CANDIDATES:
        if encoding != expected.value and _is_decodable(sample, encoding) and _is_decodable(content, encoding):
            return _NAMES[encoding]
    return ""


def count_incomplete_bytes(content: bytes, encoding: str) -> int:
    """Returns the number of bytes of an incomplete character at the end.

    0 where the content ends with a complete one, or with bytes that belong to no character, which is another error.
    """
    line_break = max(content.rfind(b"\n"), content.rfind(b"\r"))
    try:
        content[line_break + 1 :].decode(encoding)
    except UnicodeDecodeError as error:
        if error.end == len(error.object) and ("end of data" in error.reason or "incomplete" in error.reason):
            return error.end - error.start
    return 0


def _find_wrong_bytes(content: bytes, encoding: str) -> tuple[int, int]:
    """Returns where the bytes start and end that are no character; without any, the first that are not ASCII."""
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start, min(error.end, error.start + _MOST_BYTES_SHOWN)
    escapes = [content.find(escape) for escape in _ISO_2022_JP_ESCAPES if escape in content]
    try:
        content.decode("ascii")
    except UnicodeDecodeError as error:
        start = min(error.start, *escapes) if escapes else error.start
    else:
        start = min(escapes, default=0)
    return start, start + _MOST_BYTES_SHOWN


def _has_escapes(content: bytes) -> bool:
    # One byte is found ten times as fast as several, and most files have none.
    return b"\x1b" in content and any(escape in content for escape in _ISO_2022_JP_ESCAPES)


def _looks_like_utf_8(content: bytes) -> bool:
    """Returns whether bytes that are not all ASCII are valid UTF-8. Japanese in CP932 practically never is."""
    return content.startswith(_UTF_8_MARK) or (not content.isascii() and _is_decodable(content, "utf-8"))


def _is_decodable(content: bytes, encoding: str) -> bool:
    """Returns whether bytes are text in an encoding; the last character may be incomplete."""
    try:
        content[: len(content) - count_incomplete_bytes(content, encoding)].decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
