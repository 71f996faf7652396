"""A roster file becomes a preview: read, checked, compared and kept, in one transaction (QUA-12)."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from instance_profile.model import Profile, RosterMapping
from qualification_registry.domain.roster_comparison import (
    Changed,
    Comparison,
    Named,
    Suggestion,
    name_of,
    numbered_ids,
)
from qualification_registry.domain.roster_errors import MOST_SHOWN, RosterErrors, RowError
from qualification_registry.domain.roster_file import Block, RosterFile
from qualification_registry.domain.roster_lines import LINE_FIELDS, LineReader
from qualification_registry.store import lines as stored_lines
from qualification_registry.store import previews
from servicekit.database import Database

# Progress is told after so many rows.
_PROGRESS_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import has come: "read", "compare" or "write", so many of so many rows; 0 where it is not known."""

    step: str
    done: int
    total: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do. Where there are errors, `gone` is not counted: an unread line may name anybody."""

    import_id: UUID
    roster: str
    rows: int
    new: int = 0
    changed: int = 0
    gone: int = 0
    unchanged: int = 0
    undecided: Sequence[Suggestion] = ()
    errors: Sequence[RowError] = ()
    error_count: int = 0
    changed_bidders: Sequence[Changed] = ()
    new_bidders: Sequence[Named] = ()
    gone_bidders: Sequence[Named] = ()
    same_as_current: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A file as an officer sent it, whole."""

    mapping: RosterMapping
    file_name: str
    content: bytes = field(repr=False)
    officer: str


@dataclass(frozen=True, slots=True)
class Previewer:
    """What a preview needs."""

    database: Database
    profile: Profile
    clock: Callable[[], datetime]

    async def preview(self, received: Received) -> AsyncGenerator[Progress | Preview, None]:
        """Progress, and at the end the preview. What it keeps is there when the preview comes, all or nothing.

        Raises ROSTER_EMPTY, ROSTER_ENCODING_WRONG, ROSTER_COLUMNS_MISSING, ROSTER_COLUMNS_TWICE,
        BIDDER_IDS_EXHAUSTED.
        """
        values = await asyncio.to_thread(self._values, received)
        async with self.database.transaction() as connection:
            current = await previews.current_roster(connection, received.mapping.name)
            values["base_version"] = current.version
            same = (values["file_sha256"], values["mapping_sha256"]) == (current.file_sha256, current.mapping_sha256)
            if same:
                values |= {"same_as_current": True, "rows": current.rows, "unchanged": current.rows}
                await previews.add_import(connection, values)
        if same:
            yield Progress("compare", current.rows, current.rows)
            yield Preview(
                values["import_id"],
                received.mapping.name,
                rows=current.rows,
                unchanged=current.rows,
                same_as_current=True,
            )
            return
        reading = _Reading(self, received, values)
        try:
            async with self.database.transaction() as connection, aclosing(reading.keep(connection)) as steps:
                async for progress in steps:
                    yield progress
        except _HasErrors:
            # Nothing of the file is kept; that there was such a preview is, so that its commit can say why not.
            async with self.database.transaction() as connection:
                await previews.add_import(connection, values | reading.counts())
        yield reading.preview()

    def _values(self, received: Received) -> dict[str, Any]:
        mapping = received.mapping
        return {
            "import_id": uuid4(),
            "roster": mapping.name,
            "category": mapping.category,
            "mapping_sha256": mapping_sha256(self.profile, mapping),
            "file_name": received.file_name,
            "file_sha256": hashlib.sha256(received.content).digest(),
            "ids_are_assigned": mapping.bidder_id is None,
            "previewed_by": received.officer,
            "previewed_at": self.clock(),
        }


def mapping_sha256(profile: Profile, mapping: RosterMapping) -> bytes:
    """SHA-256 of all that makes lines out of a file: another mapping makes other lines of the same file."""
    content = {
        "fields": LINE_FIELDS,
        "mapping": mapping.model_dump(mode="json"),
        "bidder_id": profile.bidder_id.model_dump(mode="json"),
        "agencies": [[agency.code, agency.name.ja, agency.categories] for agency in profile.agencies],
    }
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).digest()


class _HasErrors(Exception):
    """Rolls back what was kept of a file with errors."""


class _Reading:
    """One file on its way from bytes to a preview."""

    def __init__(self, previewer: Previewer, received: Received, values: dict[str, Any]) -> None:
        self._database = previewer.database
        self._profile = previewer.profile
        self._received = received
        self._values = values
        self._errors = RosterErrors()
        self._rows = 0
        self._suggestions: list[Suggestion] = []
        self._gone: list[Named] = []
        self._gone_count = 0
        self._comparison = Comparison({})

    async def keep(self, connection: AsyncConnection) -> AsyncGenerator[Progress, None]:
        """Reads the file and keeps what has to be kept. Raises _HasErrors at its end where a row has errors."""
        mapping = self._received.mapping
        self._comparison = Comparison(
            await stored_lines.current_lines(connection, mapping.name),
            bidder_ids=await stored_lines.assigned_ids(connection) if mapping.bidder_id is None else None,
            new_ids=self._from_another_thread(asyncio.get_running_loop()),
        )
        async with self._database.transaction() as other:
            grade_kinds = await previews.number_of_grade_kinds(other, [grades.kind for grades in mapping.grades])
        file, reader, blocks = await asyncio.to_thread(self._open, grade_kinds)
        number = await previews.add_import(connection, self._values)
        await previews.add_file(connection, number, self._received.content)
        async with stored_lines.adding_lines(connection) as write:
            ahead = _one_ahead(partial(self._next_lines, f"{number}", reader, blocks))
            async with aclosing(ahead) as texts:
                async for text in texts:
                    if text and not self._errors.count:
                        await write(text)
                    if file.rows // _PROGRESS_ROWS > self._rows // _PROGRESS_ROWS:
                        yield Progress("read", file.rows)
                    self._rows = file.rows
        self._rows = file.rows
        await self._refuse_reserved_ids(connection, reader)
        if self._errors.count:
            raise _HasErrors
        yield Progress("compare", self._rows, self._rows)
        if self._comparison.undecided:
            elsewhere = await previews.bidders_without_corporate_number(connection)
            self._suggestions = await asyncio.to_thread(self._comparison.suggestions, elsewhere)
            await previews.add_undecided(connection, number, self._suggestions)
        self._find_gone()
        await previews.set_import(connection, number, self.counts() | {"not_named": list(self._comparison.rest)})
        yield Progress("write", self._rows, self._rows)

    def counts(self) -> dict[str, int]:
        """What is counted, as the table names it."""
        return {
            "rows": self._rows,
            "error_count": self._errors.count,
            "new": self._comparison.new,
            "changed": self._comparison.changed,
            "unchanged": self._comparison.unchanged,
            "gone": self._gone_count,
        }

    def preview(self) -> Preview:
        """The preview, as an officer sees it."""
        return Preview(
            self._values["import_id"],
            self._received.mapping.name,
            rows=self._rows,
            new=self._comparison.new,
            changed=self._comparison.changed,
            gone=self._gone_count,
            unchanged=self._comparison.unchanged,
            undecided=self._suggestions,
            errors=self._errors.first,
            error_count=self._errors.count,
            changed_bidders=self._comparison.changed_bidders,
            new_bidders=self._comparison.new_bidders,
            gone_bidders=self._gone,
        )

    def _open(self, grade_kinds: int) -> tuple[RosterFile, LineReader, Iterator[Block]]:
        mapping, bidder_id = self._received.mapping, self._profile.bidder_id
        file = RosterFile(self._received.content, mapping.encoding, self._errors)
        reader = LineReader(
            mapping, self._profile.agencies, bidder_id, file.header, self._errors, grade_kinds=grade_kinds
        )
        return file, reader, file.blocks()

    def _next_lines(self, prefix: str, reader: LineReader, blocks: Iterator[Block]) -> bytes | None:
        """The new and changed lines of the next block, ready for the database; None after the last block."""
        block = next(blocks, None)
        if block is None:
            return None
        lines = self._comparison.take(prefix, reader.read(block))
        return ("\n".join(lines) + "\n").encode() if lines else b""

    def _from_another_thread(self, loop: asyncio.AbstractEventLoop) -> Callable[[int], Sequence[str]]:
        """Takes numbers for new bidder ids in a transaction of its own, so that nobody waits until the file is read."""

        async def take(count: int) -> int:
            async with self._database.transaction() as connection:
                return await previews.take_numbers(connection, count)

        def new_ids(count: int) -> Sequence[str]:
            first = asyncio.run_coroutine_threadsafe(take(count), loop).result()
            return numbered_ids(self._profile.bidder_id, first, count)

        return new_ids

    async def _refuse_reserved_ids(self, connection: AsyncConnection, reader: LineReader) -> None:
        """A file may name bidders that we numbered, but not invent any: the next number could be the same."""
        if not reader.reserved:
            return
        known = await previews.existing(connection, list(reader.reserved))
        for bidder_id, row in reader.reserved.items():
            if bidder_id not in known:
                column, prefix = self._received.mapping.bidder_id or "", self._profile.bidder_id.assigned_prefix
                self._errors.add(row, column, "ROSTER_BIDDER_ID_RESERVED", {"prefix": prefix})

    def _find_gone(self) -> None:
        suggested = {suggestion.bidder_id for suggestion in self._suggestions}
        gone = [(bidder_id, line) for bidder_id, line in self._comparison.rest.items() if bidder_id not in suggested]
        self._gone_count = len(gone)
        self._gone = [Named(bidder_id, name_of(line), 0) for bidder_id, line in gone[:MOST_SHOWN]]


async def _one_ahead(produce: Callable[[], bytes | None]) -> AsyncGenerator[bytes, None]:
    """What a function gives until it gives None, made in a thread; the next is made while one is used."""
    following = asyncio.create_task(asyncio.to_thread(produce))
    try:
        while (text := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(produce))
            yield text
    finally:
        # A thread can't be stopped; nothing is left running when this ends. What it raised nobody waits for any more.
        await asyncio.gather(following, return_exceptions=True)
