"""Turns a roster file into a preview: read, checked, compared and stored in one transaction (QUA-12)."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from instance_profile.model import Profile
from qualification_registry.domain.roster_changes import LineKind
from qualification_registry.domain.roster_comparison import Comparison, Suggestion, format_bidder_ids
from qualification_registry.domain.roster_errors import MOST_SHOWN, RosterErrors
from qualification_registry.domain.roster_file import Block, RosterFile
from qualification_registry.domain.roster_import import (
    ImportCounts,
    Preview,
    PreviewRecord,
    Progress,
    RosterHeader,
    RosterUpload,
    UndecidedRow,
    hash_mapping,
)
from qualification_registry.domain.roster_lines import LineReader
from qualification_registry.operations.roster_upload import open_upload
from qualification_registry.store import lines, previews
from servicekit.clock import DatabaseClock
from servicekit.database import Database
from servicekit.identity import Caller, require_acts_for

# A preview needs memory for its file, and for as much again while the database receives it; others wait.
_PREVIEWS_AT_ONCE = 2
# Rows between two progress messages.
_PROGRESS_ROWS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterPreview:
    """Previews of roster files, a few at a time."""

    database: Database
    profile: Profile
    clock: DatabaseClock
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PREVIEWS_AT_ONCE))

    async def preview(
        self, parts: AsyncIterator[RosterHeader | bytes], *, officer: Caller
    ) -> AsyncGenerator[Progress | Preview, None]:
        """Receives a file; yields progress and, last, the preview, after all of it or nothing was stored.

        Raises what `open_upload` raises, AGENCY_NOT_OWN, ROSTER_EMPTY, ROSTER_ENCODING_WRONG, ROSTER_COLUMNS_MISSING,
        ROSTER_COLUMNS_TWICE, BIDDER_IDS_EXHAUSTED.
        """
        async with self.slots:
            incoming = await open_upload(parts, self.profile)
            require_acts_for(officer, incoming.mapping.responsible_agency)
            content = bytearray()
            async for piece in incoming.pieces:
                content += piece
                yield Progress("receive", len(content))
            upload = RosterUpload(incoming.mapping, incoming.file_name, bytes(content))
            del content
            async with aclosing(self._preview_upload(upload, officer.name)) as steps:
                async for step in steps:
                    yield step

    async def _preview_upload(self, upload: RosterUpload, officer: str) -> AsyncGenerator[Progress | Preview, None]:
        mapping_sha256, file_sha256 = await asyncio.to_thread(self._hash, upload)
        async with self.database.transaction() as connection:
            current = await previews.find_current_roster(connection, upload.mapping.name)
            same_as_current = (file_sha256, mapping_sha256) == (current.file_sha256, current.mapping_sha256)
            record = PreviewRecord(
                import_id=uuid4(),
                roster=upload.mapping.name,
                category=upload.mapping.category,
                responsible_agency=upload.mapping.responsible_agency,
                base_version=current.version,
                mapping_sha256=mapping_sha256,
                file_name=upload.file_name,
                file_sha256=file_sha256,
                same_as_current=same_as_current,
                ids_are_assigned=upload.mapping.bidder_id is None,
                previewed_by=officer,
                previewed_at=await self.clock(connection),
            )
            counts = ImportCounts(rows=current.rows, unchanged=current.rows)
            if same_as_current:
                await previews.add_import(connection, record, counts)
        if same_as_current:
            yield Progress("compare", current.rows, current.rows)
            yield Preview(record.import_id, record.roster, counts, same_as_current=True)
            return
        reading = _Reading(self.database, self.profile, upload, record)
        try:
            async with self.database.transaction() as connection, aclosing(reading.store(connection)) as steps:
                async for progress in steps:
                    yield progress
        except _FileError:
            # Nothing of the file is stored; the import is, so that a commit can name the reason why it is impossible.
            async with self.database.transaction() as connection:
                await previews.add_import(connection, record, reading.counts())
        yield reading.preview()

    def _hash(self, upload: RosterUpload) -> tuple[bytes, bytes]:
        return hash_mapping(self.profile, upload.mapping), hashlib.sha256(upload.content).digest()


class _FileError(Exception):
    """Rolls back what was stored of a file with errors."""


class _Reading:
    """One file, from its bytes to a preview."""

    def __init__(self, database: Database, profile: Profile, upload: RosterUpload, record: PreviewRecord) -> None:
        self._database = database
        self._profile = profile
        self._upload = upload
        self._record = record
        self._errors = RosterErrors()
        self._rows = 0
        self._suggestions: list[Suggestion] = []
        self._gone = 0
        self._comparison = Comparison({})

    async def store(self, connection: AsyncConnection) -> AsyncGenerator[Progress, None]:
        """Reads the file and stores the import, the file and its new and changed lines; yields progress.

        Raises _FileError at the end where a row has errors.
        """
        mapping = self._upload.mapping
        self._comparison = Comparison(
            await lines.read_current_lines(connection, mapping.name),
            bidder_ids=await lines.read_assigned_ids(connection) if mapping.bidder_id is None else None,
            new_ids=self._allocate_from_thread(asyncio.get_running_loop()),
        )
        async with self._database.transaction() as other:
            grade_kinds = await previews.save_grade_kinds(other, [grades.kind for grades in mapping.grades])
        file, reader, blocks = await asyncio.to_thread(self._open, grade_kinds)
        number = await previews.add_import(connection, self._record, self.counts())
        await previews.add_file(connection, number, self._upload.content)
        async with lines.open_line_writer(connection) as write:
            texts_ahead = _produce_ahead(partial(self._next_lines, f"{number}", reader, blocks))
            async with aclosing(texts_ahead) as texts:
                async for text in texts:
                    if text and not self._errors.count:
                        await write(text)
                    if file.rows // _PROGRESS_ROWS > self._rows // _PROGRESS_ROWS:
                        yield Progress("read", file.rows)
                    self._rows = file.rows
        self._rows = file.rows
        await self._refuse_reserved_ids(connection, reader)
        if self._errors.count:
            raise _FileError
        yield Progress("compare", self._rows, self._rows)
        if self._comparison.undecided:
            others = await previews.list_bidders_without_corporate_number(connection)
            self._suggestions = await asyncio.to_thread(self._comparison.suggest, others)
            await previews.add_undecided_lines(connection, number, self._suggestions)
        suggested = {suggestion.bidder_id for suggestion in self._suggestions}
        self._gone = sum(bidder_id not in suggested for bidder_id in self._comparison.remaining)
        await previews.set_counts(connection, number, self.counts(), not_named=list(self._comparison.remaining))
        yield Progress("write", self._rows, self._rows)

    def counts(self) -> ImportCounts:
        """Returns the counts as far as the file was read."""
        kinds = self._comparison.kinds
        return ImportCounts(
            rows=self._rows,
            error_count=self._errors.count,
            new=kinds[LineKind.NEW],
            changed=kinds.total() - kinds[LineKind.NEW],
            identity_changed=kinds[LineKind.IDENTITY_CHANGED],
            grades_changed=kinds[LineKind.GRADES_CHANGED],
            unchanged=self._comparison.unchanged,
            gone=self._gone,
        )

    def preview(self) -> Preview:
        """Returns the preview for the officer."""
        return Preview(
            self._record.import_id,
            self._record.roster,
            self.counts(),
            undecided=[
                UndecidedRow(suggestion.undecided.row, suggestion.bidder_id, suggestion.undecided.line)
                for suggestion in self._suggestions[:MOST_SHOWN]
            ],
            undecided_count=len(self._suggestions),
            errors=self._errors.first,
        )

    def _open(self, grade_kinds: int) -> tuple[RosterFile, LineReader, Iterator[Block]]:
        mapping, bidder_id = self._upload.mapping, self._profile.bidder_id
        file = RosterFile(self._upload.content, mapping.encoding, self._errors)
        reader = LineReader(
            mapping, self._profile.agencies, bidder_id, file.header, self._errors, grade_kinds=grade_kinds
        )
        return file, reader, file.read_blocks()

    def _next_lines(self, prefix: str, reader: LineReader, blocks: Iterator[Block]) -> bytes | None:
        """Returns the new and changed lines of the next block in the form of COPY; None after the last block."""
        block = next(blocks, None)
        if block is None:
            return None
        changed = self._comparison.compare(prefix, reader.read(block))
        return ("\n".join(changed) + "\n").encode() if changed else b""

    def _allocate_from_thread(self, loop: asyncio.AbstractEventLoop) -> Callable[[int], Sequence[str]]:
        """Returns a function for other threads that allocates new bidder ids.

        It uses a separate transaction, so that no other import waits until the file is read.
        """

        async def allocate(count: int) -> int:
            async with self._database.transaction() as connection:
                return await previews.allocate_bidder_numbers(connection, count)

        def new_ids(count: int) -> Sequence[str]:
            first = asyncio.run_coroutine_threadsafe(allocate(count), loop).result()
            return format_bidder_ids(self._profile.bidder_id, first, count)

        return new_ids

    async def _refuse_reserved_ids(self, connection: AsyncConnection, reader: LineReader) -> None:
        """Adds errors for ids with the prefix of assigned ones that no bidder has: a later import could assign them."""
        if not reader.reserved:
            return
        existing = await previews.find_existing_ids(connection, list(reader.reserved))
        for bidder_id, row in reader.reserved.items():
            if bidder_id not in existing:
                column, prefix = self._upload.mapping.bidder_id or "", self._profile.bidder_id.assigned_prefix
                self._errors.add(row, column, "ROSTER_BIDDER_ID_RESERVED", {"prefix": prefix})


async def _produce_ahead(produce: Callable[[], bytes | None]) -> AsyncGenerator[bytes, None]:
    """Yields what a function returns until it returns None; runs it in a thread, one call ahead of the consumer."""
    next_text = asyncio.create_task(asyncio.to_thread(produce))
    try:
        while (text := await next_text) is not None:
            next_text = asyncio.create_task(asyncio.to_thread(produce))
            yield text
    finally:
        # A thread cannot be stopped: wait, so that none is left running; its exception is of no use any more.
        await asyncio.gather(next_text, return_exceptions=True)
