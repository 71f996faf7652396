"""Makes a preview the current version of its roster, all or nothing (QUA-12)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from history.entries import Chain
from history.writing import write_history
from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from officers.act import OfficerAct
from officers.acts import find_outcome, save_outcome, take_act
from qualification_registry.domain.bidder_state import BidderKey
from qualification_registry.domain.bidders import can_be_bidder_id, refuse_unknown_bidder
from qualification_registry.domain.history import Circumstances, describe_import, describe_imported_links
from qualification_registry.domain.roster_changes import LineKind, find_kind
from qualification_registry.domain.roster_comparison import format_bidder_ids
from qualification_registry.domain.roster_decisions import NO_ANSWERS, Answers, decide_bidders, decided_twice
from qualification_registry.domain.roster_identity import PERHAPS_SAME
from qualification_registry.domain.roster_import import (
    CommitResult,
    ImportCounts,
    RosterImport,
    preview_outdated,
    preview_unknown,
    require_committable,
)
from qualification_registry.domain.roster_predecessors import find_faults
from qualification_registry.domain.roster_question import ask_about_gone, require_confirmed
from qualification_registry.domain.roster_term import check_term
from qualification_registry.operations.bidder_events import enqueue_imported
from qualification_registry.operations.circumstances import find_act_circumstances
from qualification_registry.store import commits, lines, predecessors, previews, reviews, terms
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.identity import require_acts_for


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterCommit:
    """Commits of previews."""

    database: Database
    profile: Profile
    chain: Chain
    clock: DatabaseClock

    async def commit(self, act: OfficerAct, import_id: UUID, answers: Answers) -> CommitResult:
        """Commits a preview; for a committed one returns the same result again.

        Raises ROSTER_PREVIEW_UNKNOWN, AGENCY_NOT_OWN, ROSTER_PREVIEW_OUTDATED, ROSTER_HAS_ERRORS, BIDDER_UNKNOWN,
        BIDDER_IDS_EXHAUSTED, REQUEST_ID_REUSED and what `take_act`, `check_term`, `decide_bidders` and
        `require_confirmed` raise.
        """
        async with self.database.transaction() as connection:
            # An import is answered by its own result, also under another request.
            await find_outcome(connection, act)
            now = await self.clock(connection)
            roster_import = await commits.lock_import(connection, import_id)
            if roster_import is None:
                raise preview_unknown()
            require_acts_for(act.officer, roster_import.responsible_agency)
            if roster_import.result_version is not None:
                return _result(roster_import, roster_import.result_version, roster_import.counts)
            await take_act(connection, act, now)
            require_committable(roster_import, self.profile, now)
            base_version, category = await commits.lock_roster(connection, roster_import.roster, roster_import.category)
            if base_version != roster_import.base_version:
                raise preview_outdated()
            version, counts, number = base_version, roster_import.counts, roster_import.number
            changed: Sequence[BidderKey] = ()
            if roster_import.same_as_current:
                # Nothing was asked about it.
                answers = NO_ANSWERS
            else:
                version += 1
                roster_terms = await terms.list_terms(connection, roster_import.roster)
                check_term(roster_import.term, roster_terms, find_japan_day(now))
                counts, changed = await self._make_version(
                    connection, roster_import, version, answers, category_before=category, now=now
                )
                await self._link_predecessors(connection, roster_import, find_act_circumstances(act, now))
                await previews.set_counts(connection, number, counts)
            await commits.set_committed(connection, number, officer=act.officer.name, now=now, result_version=version)
            entry = describe_import(find_act_circumstances(act, now), roster_import, version, counts, answers)
            await write_history(connection, self.chain, [entry])
            await save_outcome(connection, act, {"import_id": str(import_id)})
            # Last, because an officer who suspends one of them waits for it.
            if changed:
                await enqueue_imported(connection, changed)
            return _result(roster_import, version, counts)

    async def _make_version(
        self,
        connection: Connection,
        roster_import: RosterImport,
        version: int,
        answers: Answers,
        *,
        category_before: str,
        now: datetime,
    ) -> tuple[ImportCounts, Sequence[BidderKey]]:
        """Makes the lines of an import current.

        Returns its counts with the undecided rows among them, and the bidders whose qualification or review differs.
        """
        number, roster = roster_import.number, roster_import.roster
        await commits.lock_all_imports(connection)
        counts, gone = await self._add_undecided_lines(connection, roster_import, answers)
        if roster_import.ids_are_assigned and await commits.has_conflicting_ids(connection, number):
            raise preview_outdated()
        await commits.add_bidders(connection, number, ids_are_assigned=roster_import.ids_are_assigned)
        changed = await commits.supersede_lines(connection, roster_import.term_number, number, gone=gone)
        last_days = await terms.list_last_days(connection, roster)
        term = await terms.save_list(connection, roster, roster_import.term, number, number=roster_import.term_number)
        await commits.set_made(connection, number, version=version, term=term, confirmed=answers.confirmed)
        await commits.set_version(connection, roster, version, category=roster_import.category)
        moved = await commits.list_moved_bidders(connection, last_days)
        begun = await reviews.keep_of_import(connection, number, roster=roster, term=term, now=now)
        if category_before == roster_import.category:
            keys = [BidderKey(each, category_before) for each in {*changed, *moved, *begun}]
        else:
            everyone = await commits.list_bidders_of_roster(connection, roster, number)
            keys = [BidderKey(each, of) for of in (category_before, roster_import.category) for each in everyone]
        return counts, sorted(keys)

    async def _link_predecessors(
        self, connection: Connection, roster_import: RosterImport, circumstances: Circumstances
    ) -> None:
        """Links the bidders of an import's lines to those whose place they took."""
        number, category = roster_import.number, roster_import.category
        successions = await predecessors.list_of_import(connection, number)
        if not successions:
            return
        successors = await predecessors.list_successors(connection, category)
        # The preview found none; officers or another roster may have linked bidders since.
        if any(find_faults(successions, successors, lambda _: True)):
            raise preview_outdated()
        links = await predecessors.add_of_import(
            connection, number, category=category, term_from=roster_import.term.first_day, now=circumstances.happened_at
        )
        entries = describe_imported_links(circumstances, roster_import, links)
        await write_history(connection, self.chain, entries)

    async def _add_undecided_lines(
        self, connection: Connection, roster_import: RosterImport, answers: Answers
    ) -> tuple[ImportCounts, Sequence[str]]:
        """Adds the undecided lines with the bidders that were decided; returns all counts and the bidders gone."""
        not_named = set(await commits.list_not_named(connection, roster_import.number))
        undecided = await commits.list_undecided_rows(connection, roster_import.number)
        suggestions = {row.row: None if row.reason == PERHAPS_SAME else row.suggested_bidder_id for row in undecided}
        bidder_ids = decide_bidders(suggestions, answers.decisions, accept_suggestions=answers.accept_suggestions)
        gone = sorted(not_named - set(bidder_ids.values()))
        await self._check_decisions(connection, roster_import, bidder_ids, not_named)
        self._check_confirmations(roster_import, answers, gone=len(gone), not_named=len(not_named))
        current = await lines.read_current_lines(connection, roster_import.term_number, list(bidder_ids.values()))
        new_ids = await self._allocate_ids(connection, sum(not bidder_id for bidder_id in bidder_ids.values()))
        kinds: Counter[LineKind] = Counter()
        added = []
        for row in undecided:
            bidder_id = bidder_ids[row.row] or new_ids.pop(0)
            before = current.get(bidder_id)
            if before != row.line:
                kind = find_kind(before, row.line)
                kinds[kind] += 1
                added.append(f"{roster_import.number}\t{kind.value}\t{row.row}\t{bidder_id}\t{row.line}\n")
        if added:
            async with lines.open_line_writer(connection) as write:
                await write("".join(added).encode())
        decided = roster_import.counts
        return replace(
            decided,
            new=decided.new + kinds[LineKind.NEW],
            changed=decided.changed + len(added) - kinds[LineKind.NEW],
            identity_changed=decided.identity_changed + kinds[LineKind.IDENTITY_CHANGED],
            grades_changed=decided.grades_changed + kinds[LineKind.GRADES_CHANGED],
            unchanged=decided.unchanged + len(undecided) - len(added),
            gone=len(gone),
        ), gone

    def _check_confirmations(self, roster_import: RosterImport, answers: Answers, *, gone: int, not_named: int) -> None:
        """Raises unless the questions of the preview are confirmed, and what the officer's decisions add to them."""
        counts = roster_import.counts
        most_percent = self.profile.mapping(roster_import.mapping).most_gone_percent
        asked = dict.fromkeys(roster_import.asked)
        # Who decides that rows are new bidders makes those gone that were suggested for them.
        for question in ask_about_gone(gone, counts.unchanged + counts.changed + not_named, most_percent):
            asked.setdefault(question.reason)
        require_confirmed(asked, answers.confirmed)

    async def _check_decisions(
        self,
        connection: Connection,
        roster_import: RosterImport,
        bidder_ids: dict[int, str],
        not_named: set[str],
    ) -> None:
        """Raises unless every decision names an existing bidder that no other line of the file names."""
        rows = {bidder_id: row for row, bidder_id in bidder_ids.items() if bidder_id}
        if not rows:
            return
        existing = await previews.find_existing_ids(connection, list(filter(can_be_bidder_id, rows)))
        for bidder_id in rows:
            if bidder_id not in existing:
                raise refuse_unknown_bidder(bidder_id)
        named = await commits.list_named_bidders(connection, roster_import.number, rows)
        # The import stores no unchanged lines; their bidders are in the current roster and not among `not_named`.
        current = await lines.read_current_lines(connection, roster_import.term_number, rows)
        for bidder_id, row in rows.items():
            if bidder_id in named or (bidder_id in current and bidder_id not in not_named):
                raise decided_twice(bidder_id, row)

    async def _allocate_ids(self, connection: Connection, count: int) -> list[str]:
        if not count:
            return []
        first = await previews.allocate_bidder_numbers(connection, count)
        return format_bidder_ids(self.profile.bidder_id, first, count)


def _result(roster_import: RosterImport, version: int, counts: ImportCounts) -> CommitResult:
    return CommitResult(roster_import.import_id, version, counts.new, counts.changed, counts.gone, counts.unchanged)
