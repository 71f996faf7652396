"""What a roster file is, by its bytes: text, an Excel workbook, or a file that can't be a roster (QUA-12)."""

from qualification_registry.domain.roster_content import RosterContent
from refusals import Code, Refusal

# The signature of ZIP archives, which workbooks are. No text begins with it: it has control characters.
_ARCHIVE = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SIGNATURES = (
    (b"%PDF-", "PDF"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"{\\rtf", "RTF"),
    (b"PK\x05\x06", "ZIP"),
)
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<meta", b"<table", b"<?xml")
_UTF_8_MARK = b"\xef\xbb\xbf"


def is_workbook(file: RosterContent) -> bool:
    """Returns whether a file is an Excel workbook (.xlsx); False for text.

    Raises ROSTER_FORMAT_WRONG, and ROSTER_WORKBOOK_LOCKED for a workbook with a password. An archive that is no
    workbook is found when it is opened.
    """
    content = file.read_first()
    if content.startswith(_ARCHIVE):
        return True
    if content.startswith(_OLE):
        content = file.read_all()
        # A workbook with a password is encrypted as a whole, in a container of the older format.
        if _is_named(content, "EncryptedPackage"):
            raise workbook_locked()
        is_older_workbook = _is_named(content, "Workbook") or _is_named(content, "Book")
        raise format_wrong("Excel 97-2003 (.xls)" if is_older_workbook else "Office 97-2003 (.doc, .ppt)")
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            raise format_wrong(name)
    if content[2:5] == b"-lh" and content[6:7] == b"-":
        raise format_wrong("LZH")
    beginning = content[:1024].removeprefix(_UTF_8_MARK).lstrip().lower()
    if beginning.startswith(_MARKUP):
        raise format_wrong("XML" if beginning.startswith(b"<?xml") and b"<html" not in beginning else "HTML")
    return False


def format_wrong(name: str) -> Refusal:
    """Returns the refusal of a file of another format, for the caller to raise."""
    return Refusal("ROSTER_FORMAT_WRONG", Code.INVALID_ARGUMENT, {"format": name})


def workbook_locked() -> Refusal:
    """Returns the refusal of a workbook that only opens with a password, for the caller to raise."""
    return Refusal("ROSTER_WORKBOOK_LOCKED", Code.INVALID_ARGUMENT)


def _is_named(content: bytes, entry: str) -> bool:
    return entry.encode("utf-16-le") in content
