"""Reads one roster file: every row checked, compared with the list before and stored, and what has to be asked."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

from instance_profile.model import BidderId, Profile
from qualification_registry.domain.roster_changes import LineKind
from qualification_registry.domain.roster_comparison import Comparison, format_bidder_ids
from qualification_registry.domain.roster_errors import MOST_SHOWN
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
from qualification_registry.domain.roster_predecessors import find_faults
from qualification_registry.domain.roster_question import (
    Question,
    ask_about_agencies,
    ask_about_broken_text,
    ask_about_former,
    ask_about_gone,
    ask_about_links,
    ask_about_renumbered,
)
from qualification_registry.domain.roster_reader import RosterReader
from qualification_registry.store import lines, predecessors, previews, terms
from servicekit.database import Database
from servicekit.database_connection import Connection

# Rows between two progress messages.
_PROGRESS_ROWS = 5000
# Of lines that are given to the database at a time, unless so many rows have fewer: it costs a change of threads.
_LEAST_BYTES = 256 * 1024


Produced = TypeVar("Produced")


class FileErrorsFound(Exception):
    """Rolls back what was stored of a file with errors."""


@dataclass(frozen=True, slots=True)
class ReadingAhead:
    """A reader that reads ahead in a thread."""

    reader: RosterReader
    reading: asyncio.Task[None]

    async def take_over(self) -> None:
        """Returns after the thread has ended; raises what it found."""
        self.reader.stop_ahead()
        await self.reading


class RosterReading:
    """One complete file, from its records to a preview. `stored_file` are its rows as `compress_file` returns them."""

    def __init__(
        self,
        database: Database,
        profile: Profile,
        upload: RosterUpload,
        record: PreviewRecord,
        ahead: ReadingAhead,
        *,
        stored_file: Sequence[bytes],
        term_before: int | None,
    ) -> None:
        self._database = database
        self._profile = profile
        self._upload = upload
        self._record = record
        # The number of the term whose list the file is held against, where its own term has none yet.
        self._term_before = term_before
        self._ahead = ahead
        self._reader = ahead.reader
        self._stored_file = stored_file
        self._rows = 0
        self._suggestions: list[Suggestion] = []
        self._questions: list[Question] = []
        # Bidders that get a successor, each with it.
        self._linked: list[tuple[str, str]] = []
        self._gone = 0
        self._comparison = Comparison({})

    async def store(self, connection: Connection) -> AsyncGenerator[Progress, None]:
        """Reads the file and stores the import, the file and its new and changed lines; yields progress.

        Raises what `open_roster` raises, and FileErrorsFound at the end where a row has errors.
        """
        errors = self._reader.errors
        is_assigned = self._upload.mapping.bidder_id is None
        self._comparison = Comparison(
            await lines.read_current_lines(connection, self._record.term),
            earlier=await lines.read_current_lines(connection, self._term_before),
            bidder_ids=await lines.read_assigned_ids(connection) if is_assigned else None,
            new_ids=_allocate_from_thread(self._database, self._profile.bidder_id, asyncio.get_running_loop()),
            asks_first=is_assigned and await previews.has_assigned_ids(connection),
        )
        number = await previews.add_import(connection, self._record, self.counts())
        await previews.add_file(connection, number, self._stored_file)
        # Until here the thread read on while the database was busy.
        await self._ahead.take_over()
        produced = _produce_ahead(partial(self._next_lines, f"{number}"))
        async with lines.open_line_writer(connection) as write, aclosing(produced) as texts:
            async for text, rows in texts:
                if text and not errors.count:
                    await write(text)
                if rows // _PROGRESS_ROWS > self._rows // _PROGRESS_ROWS:
                    yield Progress("read", rows)
                self._rows = rows
        await self._refuse_reserved_ids(connection)
        await self._check_successions(connection)
        errors.join_columns(self._rows, self._reader.one_word_columns)
        if errors.count:
            raise FileErrorsFound
        yield Progress("compare", self._rows, self._rows)
        if self._comparison.undecided:
            await self._settle(connection, number)
        suggested = {suggestion.bidder_id for suggestion in self._suggestions}
        self._gone = sum(bidder_id not in suggested for bidder_id in self._comparison.remaining)
        leaving = sum(bidder_id not in suggested for bidder_id in self._comparison.leaving)
        self._questions = [question async for question in self._ask(connection, self._reader.agencies, leaving)]
        await previews.set_counts(connection, number, self.counts())
        await previews.set_findings(
            connection,
            number,
            not_named=self._comparison.remaining,
            agencies=self._reader.agencies,
            asked=[question.reason for question in self._questions],
        )
        yield Progress("write", self._rows, self._rows)

    def counts(self) -> ImportCounts:
        """Returns the counts as far as the file was read."""
        kinds = self._comparison.kinds
        return ImportCounts(
            rows=self._rows,
            error_count=self._reader.errors.count,
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
            errors=self._reader.errors.first,
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
        questions.append(ask_about_links(self._linked))
        questions.append(ask_about_broken_text(self._comparison.doubtful_rows))
        for question in chain.from_iterable(questions):
            yield question

    def _next_lines(self, prefix: str) -> tuple[bytes, int] | None:
        """Returns new and changed lines in the form of COPY, and the rows that were read; None after the last ones."""
        texts: list[bytes] = []
        first = rows = None
        while sum(map(len, texts)) < _LEAST_BYTES and (block := self._reader.read_next()) is not None:
            rows = block.rows
            first = rows if first is None else first
            if changed := self._comparison.compare(prefix, block.lines):
                texts.append(("\n".join(changed) + "\n").encode())
            if rows - first >= _PROGRESS_ROWS:
                break
        return None if rows is None else (b"".join(texts), rows)

    async def _refuse_reserved_ids(self, connection: Connection) -> None:
        """Adds errors for ids with the prefix of assigned ones that no bidder has: a later import could assign them."""
        reserved = self._reader.reserved
        if not reserved:
            return
        existing = await previews.find_existing_ids(connection, list(reserved))
        for bidder_id, row in reserved.items():
            if bidder_id not in existing:
                column, prefix = self._upload.mapping.bidder_id or "", self._profile.bidder_id.assigned_prefix
                self._reader.errors.add(row, column, "ROSTER_BIDDER_ID_RESERVED", {"prefix": prefix})

    async def _check_successions(self, connection: Connection) -> None:
        """Adds errors for rows whose bidder can't have taken the place of the one that they name."""
        successions, mapping = self._reader.successions, self._upload.mapping.predecessor
        if mapping is None or not successions:
            return
        successors = await predecessors.list_successors(connection, self._record.category)
        named = {each.predecessor for each in successions if not self._reader.names(each.predecessor)}
        existing = await previews.find_existing_ids(connection, named)
        for fault in find_faults(successions, successors, lambda one: one not in named or one in existing):
            self._reader.errors.add(fault.row, mapping.bidder_id, fault.reason, fault.metadata)
        self._linked = [
            (each.predecessor, each.bidder_id) for each in successions if each.predecessor not in successors
        ]


def _allocate_from_thread(
    database: Database, rule: BidderId, loop: asyncio.AbstractEventLoop
) -> Callable[[int], Sequence[str]]:
    """Returns a function for other threads that allocates new bidder ids.

    It uses a separate transaction, so that no other import waits until the file is read.
    """

    async def allocate(count: int) -> int:
        async with database.transaction() as connection:
            return await previews.allocate_bidder_numbers(connection, count)

    def new_ids(count: int) -> Sequence[str]:
        first = asyncio.run_coroutine_threadsafe(allocate(count), loop).result()
        return format_bidder_ids(rule, first, count)

    return new_ids


async def _produce_ahead(produce: Callable[[], Produced | None]) -> AsyncGenerator[Produced, None]:
    """Yields what a function returns until it returns None; runs it in a thread, one call ahead of the consumer."""
    following = asyncio.create_task(asyncio.to_thread(produce))
    try:
        while (produced := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(produce))
            yield produced
    finally:
        # A thread cannot be stopped: wait, so that none is left running; its exception is of no use any more.
        await asyncio.gather(following, return_exceptions=True)
