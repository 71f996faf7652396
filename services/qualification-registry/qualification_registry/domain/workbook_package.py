"""The parts of an Excel workbook (.xlsx): an archive of XML files that a stranger may have made (ECMA-376, part 2).

Nothing is unpacked to memory as a whole. What a part may grow to is bounded, and so are the number of parts, the depth
of an element, and the length of a tag; document types, with which entities are declared, are refused.
"""

import zlib
from collections.abc import Iterator
from io import BytesIO
from posixpath import dirname, normpath
from typing import Protocol
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from qualification_registry.domain.roster_format import format_wrong, workbook_locked
from refusals import Code, Refusal

MOST_DESCRIPTION_BYTES = 8 * 1024**2
# A real workbook has some dozens.
_MOST_PARTS = 4096
_CENTRAL_ENTRY = b"PK\x01\x02"
_IS_ENCRYPTED = 0x1
_PIECE_BYTES = 64 * 1024
_MOST_TAG_BYTES = 1024**2
_MOST_DEPTH = 64
# What an archive is that is no workbook, by the name of a part.
_OTHER_FORMATS = {"xl/workbook.bin": "Excel (.xlsb)", "word/document.xml": "Word (.docx)"}
_OPEN_DOCUMENTS = {"spreadsheet": "OpenDocument (.ods)", "text": "OpenDocument (.odt)"}
_OPEN_DOCUMENT_TYPE = "application/vnd.oasis.opendocument."


class PartReader(Protocol):
    """What takes the content of a part while it is parsed. Names of elements have no namespace."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Takes the start of an element; attributes of other namespaces have them before their name, with a space."""

    def end(self, name: str) -> None:
        """Takes the end of an element."""

    def add_text(self, text: str) -> None:
        """Takes a piece of text."""


class WorkbookPackage:
    """The parts of one workbook, by name.

    Raises ROSTER_FORMAT_WRONG (another kind of archive), ROSTER_WORKBOOK_LOCKED, ROSTER_WORKBOOK_BROKEN,
    ROSTER_WORKBOOK_TOO_LARGE.
    """

    def __init__(self, content: bytes) -> None:
        if content.count(_CENTRAL_ENTRY) > _MOST_PARTS:
            raise workbook_too_large("ZIP")
        try:
            self._archive = ZipFile(BytesIO(content))
        except (BadZipFile, NotImplementedError, ValueError):
            raise workbook_broken("ZIP") from None
        self._parts: dict[str, ZipInfo] = {info.filename.lstrip("/").lower(): info for info in self._archive.infolist()}
        if not any(name.startswith("xl/") for name in self._parts) or "xl/workbook.bin" in self._parts:
            raise format_wrong(self._name_other_format())

    def has(self, part: str) -> bool:
        """Returns whether there is a part of this name, in any case."""
        return part.lower() in self._parts

    def parse(self, part: str, reader: PartReader, most_bytes: int) -> Iterator[None]:
        """Parses a part, and yields after each piece of it."""
        info = self._parts.get(part.lower())
        if info is None or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise workbook_broken(part)
        if info.flag_bits & _IS_ENCRYPTED:
            raise workbook_locked()
        # `zipfile` reads no more than this, whatever the compressed data become.
        if info.file_size > most_bytes:
            raise workbook_too_large(part)
        parser = _build_parser(part, reader)
        read = 0
        try:
            with self._archive.open(info) as stream:
                while piece := stream.read(_PIECE_BYTES):
                    parser.Parse(piece)
                    read += len(piece)
                    if read - parser.CurrentByteIndex > _MOST_TAG_BYTES:
                        raise workbook_broken(part)
                    yield
                parser.Parse(b"", True)
        except (BadZipFile, zlib.error, EOFError, OSError, expat.ExpatError, ValueError, LookupError):
            raise workbook_broken(part) from None
        yield

    def read(self, part: str, reader: PartReader) -> None:
        """Parses a part that only describes others."""
        for _ in self.parse(part, reader, MOST_DESCRIPTION_BYTES):
            pass

    def find_related(self, part: str) -> dict[str, tuple[str, str]]:
        """Returns the parts that a part refers to, by the id of the reference: the last word of its type, the name."""
        folder = dirname(part)
        relationships = f"{folder}/_rels/{part.rpartition('/')[2]}.rels".lstrip("/")
        if not self.has(relationships):
            return {}
        reader = _RelationshipReader(folder)
        self.read(relationships, reader)
        return reader.targets

    def _name_other_format(self) -> str:
        info = self._parts.get("mimetype")
        if info is not None and info.file_size < 200 and info.compress_type == ZIP_STORED:
            kind = self._archive.read(info).decode("ascii", "replace").removeprefix(_OPEN_DOCUMENT_TYPE)
            if kind in _OPEN_DOCUMENTS:
                return _OPEN_DOCUMENTS[kind]
        return next((name for part, name in _OTHER_FORMATS.items() if part in self._parts), "ZIP")


class _RelationshipReader:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.targets: dict[str, tuple[str, str]] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes["Target"]
            path = target if target.startswith("/") else f"{self._folder}/{target}"
            kind = attributes["Type"].rpartition("/")[2]
            self.targets[attributes["Id"]] = (kind, normpath(path).lstrip("/"))

    def end(self, name: str) -> None:
        pass

    def add_text(self, text: str) -> None:
        pass


def workbook_broken(part: str) -> Refusal:
    """Returns the refusal of a workbook in which this part is missing or damaged, for the caller to raise."""
    return Refusal("ROSTER_WORKBOOK_BROKEN", Code.INVALID_ARGUMENT, {"part": part[:100]})


def workbook_too_large(part: str) -> Refusal:
    """Returns the refusal of a workbook in which this part has more than a bound allows, for the caller to raise."""
    return Refusal("ROSTER_WORKBOOK_TOO_LARGE", Code.INVALID_ARGUMENT, {"part": part[:100]})


def _build_parser(part: str, reader: PartReader) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.buffer_size = _PIECE_BYTES
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MOST_DEPTH:
            raise workbook_broken(part)
        reader.start(name.rpartition(" ")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        reader.end(name.rpartition(" ")[2])

    def refuse(*_: object) -> None:
        raise workbook_broken(part)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = reader.add_text
    parser.StartDoctypeDeclHandler = refuse
    return parser
