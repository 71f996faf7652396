"""Turns a roster file into a preview: read, checked, compared and stored in one transaction (QUA-12)."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from history.entries import Chain
from history.writing import write_history
from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile, RosterMapping
from officers.act import OfficerAct
from officers.acts import find_outcome, save_outcome, take_act
from qualification_registry.domain.history import describe_cancellation
from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.roster_import import (
    CurrentList,
    ImportCounts,
    Preview,
    PreviewRecord,
    Progress,
    RosterHeader,
    RosterUpload,
    hash_mapping,
    require_uncommitted,
)
from qualification_registry.domain.roster_reader import RosterReader
from qualification_registry.domain.roster_term import check_term, find_term, find_term_before
from qualification_registry.domain.stored_file import compress_file
from qualification_registry.operations.circumstances import find_act_circumstances
from qualification_registry.operations.roster_reading import FileErrorsFound, ReadingAhead, RosterReading
from qualification_registry.operations.roster_upload import open_upload
from qualification_registry.store import commits, previews, terms
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.free_memory import give_back_free_memory
from servicekit.identity import Caller, require_acts_for

# A preview needs memory for its file and for the lines that are made of it; others wait.
_PREVIEWS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterPreview:
    """Previews of roster files, a few at a time."""

    database: Database
    profile: Profile
    chain: Chain
    clock: DatabaseClock
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PREVIEWS_AT_ONCE))

    async def preview(
        self, parts: AsyncIterator[RosterHeader | bytes], *, officer: Caller
    ) -> AsyncGenerator[Progress | Preview, None]:
        """Receives a file; yields progress and, last, the preview, after all of it or nothing was stored.

        Raises what `open_upload`, `check_term` and `open_roster` raise (the latter also while the file is read),
        AGENCY_NOT_OWN, BIDDER_IDS_EXHAUSTED.
        """
        async with self.slots:
            try:
                async with aclosing(self._receive(parts, officer)) as steps:
                    async for step in steps:
                        yield step
            finally:
                # By now nothing refers to the file and its lines any more, which may have been hundreds of megabytes.
                await asyncio.to_thread(give_back_free_memory)

    async def _receive(
        self, parts: AsyncIterator[RosterHeader | bytes], officer: Caller
    ) -> AsyncGenerator[Progress | Preview, None]:
        incoming = await open_upload(parts, self.profile)
        require_acts_for(officer, incoming.mapping.responsible_agency)
        content = RosterContent()
        async with self._reading_ahead(incoming.mapping, content) as ahead:
            sha256, received = hashlib.sha256(), 0
            async for piece in incoming.pieces:
                content.add(piece)
                sha256.update(piece)
                received += len(piece)
                yield Progress("receive", received)
            content.complete()
            upload = RosterUpload(incoming.mapping, incoming.file_name, incoming.term, content, sha256.digest())
            async with aclosing(self._preview_upload(upload, ahead, officer.name)) as steps:
                async for step in steps:
                    yield step

    @asynccontextmanager
    async def _reading_ahead(self, mapping: RosterMapping, content: RosterContent) -> AsyncIterator[ReadingAhead]:
        """Yields the reader of a file, which reads what has arrived of it in a thread."""
        async with self.database.transaction() as connection:
            grade_kinds = await previews.save_grade_kinds(connection, [grades.kind for grades in mapping.list_grades()])
        reader = RosterReader(self.profile, mapping, content, grade_kinds=grade_kinds)
        reading = asyncio.create_task(asyncio.to_thread(reader.read_ahead))
        try:
            yield ReadingAhead(reader, reading)
        finally:
            # A thread cannot be stopped: wait, so that none is left running; its exception is of no use any more.
            content.abandon()
            reader.stop_ahead()
            await asyncio.gather(reading, return_exceptions=True)

    async def _preview_upload(
        self, upload: RosterUpload, ahead: ReadingAhead, officer: str
    ) -> AsyncGenerator[Progress | Preview, None]:
        mapping_sha256, file_sha256 = await asyncio.to_thread(hash_mapping, self.profile, upload.mapping), upload.sha256
        mapping = upload.mapping
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            roster_terms = await terms.list_terms(connection, mapping.roster)
            check_term(upload.term, roster_terms, find_japan_day(now))
            own, before = find_term(roster_terms, upload.term), find_term_before(roster_terms, upload.term)
            current = await terms.find_current_list(connection, own.number) if own is not None else CurrentList()
            same_as_current = (file_sha256, mapping_sha256, upload.term) == (
                current.file_sha256,
                current.mapping_sha256,
                own.term if own is not None else None,
            )
            record = PreviewRecord(
                import_id=uuid4(),
                mapping=mapping.name,
                roster=mapping.roster,
                category=mapping.category,
                responsible_agency=mapping.responsible_agency,
                term=own.number if own is not None else None,
                term_from=upload.term.first_day,
                term_until=upload.term.last_day,
                base_version=await previews.find_version(connection, mapping.roster),
                mapping_sha256=mapping_sha256,
                file_name=upload.file_name,
                file_sha256=file_sha256,
                same_as_current=same_as_current,
                ids_are_assigned=mapping.bidder_id is None,
                previewed_by=officer,
                previewed_at=now,
            )
            counts = ImportCounts(rows=current.rows, unchanged=current.rows)
            if same_as_current:
                await previews.add_import(connection, record, counts)
        if same_as_current:
            yield Progress("compare", current.rows, current.rows)
            yield Preview(record.import_id, record.roster, upload.term, counts, same_as_current=True)
            return
        # The first list of a term is held against the list of the term before.
        term_before = before.number if own is None and before is not None else None
        # Before the transaction, and while the file is still being read.
        stored_file = await asyncio.to_thread(compress_file, upload.content)
        reading = RosterReading(
            self.database, self.profile, upload, record, ahead, stored_file=stored_file, term_before=term_before
        )
        try:
            async with self.database.transaction() as connection, aclosing(reading.store(connection)) as steps:
                async for progress in steps:
                    yield progress
        except FileErrorsFound:
            # Nothing of the file is stored; the import is, so that a commit can name the reason why it is impossible.
            async with self.database.transaction() as connection:
                await previews.add_import(connection, record, reading.counts())
        yield reading.preview()

    async def cancel(self, act: OfficerAct, import_id: UUID) -> None:
        """Deletes a preview with its file and lines; one that is not there is deleted already.

        Raises AGENCY_NOT_OWN, ROSTER_PREVIEW_COMMITTED, REQUEST_ID_REUSED and what `take_act` raises.
        """
        async with self.database.transaction() as connection:
            if await find_outcome(connection, act) is not None:
                return
            roster_import = await commits.lock_import(connection, import_id)
            if roster_import is None:
                return
            require_acts_for(act.officer, roster_import.responsible_agency)
            now = await self.clock(connection)
            await take_act(connection, act, now)
            require_uncommitted(roster_import)
            await previews.delete_imports(connection, [roster_import.number])
            entry = describe_cancellation(find_act_circumstances(act, now), roster_import)
            await write_history(connection, self.chain, [entry])
            await save_outcome(connection, act, {"import_id": str(import_id)})
