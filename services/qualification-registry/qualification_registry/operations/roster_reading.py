"""Reads one roster file: every row checked, compared with the list before and stored, and what has to be asked."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from itertools import chain

from instance_profile.model import Profile
from qualification_registry.domain.roster_changes import LineKind
from qualification_registry.domain.roster_comparison import Comparison, format_bidder_ids
from qualification_registry.domain.roster_errors import MOST_SHOWN, RosterErrors
from qualification_registry.domain.roster_file import Block, RosterSource
from qualification_registry.domain.roster_identity import Suggestion
from qualification_registry.domain.roster_import import (
    CurrentList,
    ImportCounts,
    Preview,
    PreviewRecord,
    Progress,
    RosterUpload,
    UndecidedRow,
)
from qualification_registry.domain.roster_lines import LineReader
from qualification_registry.domain.roster_question import (
    Question,
    ask_about_agencies,
    ask_about_broken_text,
    ask_about_former,
    ask_about_gone,
    ask_about_renumbered,
)
from qualification_registry.domain.roster_source import open_roster
from qualification_registry.store import lines, previews, terms
from servicekit.database import Database
from servicekit.database_connection import Connection

# Rows between two progress messages.
_PROGRESS_ROWS = 5000


class FileErrorsFound(Exception):
    """Rolls back what was stored of a file with errors."""


class RosterReading:
    """One file, from its bytes to a preview."""

    def __init__(
        self,
        database: Database,
        profile: Profile,
        upload: RosterUpload,
        record: PreviewRecord,
        *,
        term_before: int | None,
    ) -> None:
        self._database = database
        self._profile = profile
        self._upload = upload
        self._record = record
        # The number of the term whose list the file is held against, where its own term has none yet.
        self._term_before = term_before
        self._errors = RosterErrors()
        self._rows = 0
        self._suggestions: list[Suggestion] = []
        self._questions: list[Question] = []
        self._gone = 0
        self._comparison = Comparison({})

    async def store(self, connection: Connection) -> AsyncGenerator[Progress, None]:
        """Reads the file and stores the import, the file and its new and changed lines; yields progress.

        Raises FileErrorsFound at the end where a row has errors.
        """
        mapping = self._upload.mapping
        is_assigned = mapping.bidder_id is None
        self._comparison = Comparison(
            await lines.read_current_lines(connection, self._record.term),
            earlier=await lines.read_current_lines(connection, self._term_before),
            bidder_ids=await lines.read_assigned_ids(connection) if is_assigned else None,
            new_ids=self._allocate_from_thread(asyncio.get_running_loop()),
            asks_first=is_assigned and await previews.has_assigned_ids(connection),
        )
        async with self._database.transaction() as other:
            grade_kinds = await previews.save_grade_kinds(other, [grades.kind for grades in mapping.list_grades()])
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
        self._errors.join_columns(self._rows, reader.one_word_columns)
        if self._errors.count:
            raise FileErrorsFound
        yield Progress("compare", self._rows, self._rows)
        if self._comparison.undecided:
            await self._settle(connection, number)
        suggested = {suggestion.bidder_id for suggestion in self._suggestions}
        self._gone = sum(bidder_id not in suggested for bidder_id in self._comparison.remaining)
        leaving = sum(bidder_id not in suggested for bidder_id in self._comparison.leaving)
        self._questions = [question async for question in self._ask(connection, reader.agencies, leaving)]
        await previews.set_counts(connection, number, self.counts())
        await previews.set_findings(
            connection,
            number,
            not_named=self._comparison.remaining,
            agencies=reader.agencies,
            asked=[question.reason for question in self._questions],
        )
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
            self._upload.term,
            self.counts(),
            questions=self._questions,
            undecided=[
                UndecidedRow(line.row, suggestion.reason, suggestion.bidder_id, suggestion.alike, line.line)
                for suggestion in self._suggestions[:MOST_SHOWN]
                for line in (suggestion.undecided,)
            ],
            undecided_row_count=len(self._suggestions),
            errors=self._errors.first,
        )

    async def _settle(self, connection: Connection, number: int) -> None:
        """Stores the lines whose bidder an officer has to decide, and those that wait and are certainly new."""
        others = await lines.read_assigned_bidders(connection)
        self._suggestions, new = await asyncio.to_thread(self._comparison.settle, f"{number}", others)
        await previews.add_undecided_lines(connection, number, self._suggestions)
        if new:
            async with lines.open_line_writer(connection) as write:
                await write(("\n".join(new) + "\n").encode())

    async def _ask(
        self, connection: Connection, agencies: Collection[str], leaving: int
    ) -> AsyncGenerator[Question, None]:
        """Yields what an officer has to confirm about the file; `leaving` bidders of the list before are not in it."""
        mapping, record = self._upload.mapping, self._record
        compared_with = record.term or self._term_before
        before = await terms.find_current_list(connection, compared_with) if compared_with else CurrentList()
        questions = [ask_about_gone(leaving, self._comparison.expected, mapping.most_gone_percent)]
        if record.file_sha256 != before.file_sha256 or record.term is None:
            former = await previews.find_former_import(connection, record.roster, record.file_sha256)
            questions.append(ask_about_former(former))
        # A roster's first list has at least to name the agency that is responsible for it.
        expected = before.agencies if compared_with else [mapping.responsible_agency]
        if mapping.agencies_column:
            questions.append(ask_about_agencies(self._profile, agencies, expected))
        renumbered = await asyncio.to_thread(self._comparison.find_renumbered)
        questions.append(ask_about_renumbered(renumbered))
        questions.append(ask_about_broken_text(self._comparison.doubtful_rows))
        for question in chain.from_iterable(questions):
            yield question

    def _open(self, grade_kinds: int) -> tuple[RosterSource, LineReader, Iterator[Block]]:
        mapping, bidder_id = self._upload.mapping, self._profile.bidder_id
        file = open_roster(self._upload.content, mapping, self._errors)
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

    async def _refuse_reserved_ids(self, connection: Connection, reader: LineReader) -> None:
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
