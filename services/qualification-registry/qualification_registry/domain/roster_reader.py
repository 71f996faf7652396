"""Reads a roster file ahead of those who compare and store its lines, while it still arrives (QUA-12)."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from instance_profile.model import Profile, RosterMapping
from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_lines import LineReader, Lines
from qualification_registry.domain.roster_predecessors import Succession
from qualification_registry.domain.roster_source import open_roster


@dataclass(frozen=True, slots=True)
class ReadLines:
    """The lines of a block, and how many rows of the file were read until its end."""

    lines: Lines
    rows: int


class RosterReader:
    """The lines of one file. `grade_kinds` is the number under which the mapping's kinds of grades are stored.

    Reading takes its time in pure Python, so it is done by threads, by one after the other.
    """

    def __init__(self, profile: Profile, mapping: RosterMapping, content: RosterContent, *, grade_kinds: int) -> None:
        self.errors = RosterErrors()
        self._profile = profile
        self._mapping = mapping
        self._content = content
        self._grade_kinds = grade_kinds
        self._ahead: deque[ReadLines] = deque()
        self._are_wanted = Event()
        self._reader: LineReader | None = None
        self._blocks: Iterator[ReadLines] = iter(())

    def read_ahead(self) -> None:
        """Opens the file and reads until its end, or until `stop_ahead` is called.

        Raises what `open_roster` raises, and ContentAbandoned.
        """
        self._blocks = self._read_blocks()
        for block in self._blocks:
            self._ahead.append(block)
            if self._are_wanted.is_set():
                return

    def stop_ahead(self) -> None:
        """Ends `read_ahead` soon; the file has to be complete or abandoned."""
        self._are_wanted.set()

    def read_next(self) -> ReadLines | None:
        """Returns the lines of the next block; None after the last one. Raises what `open_roster` raises."""
        return self._ahead.popleft() if self._ahead else next(self._blocks, None)

    @property
    def agencies(self) -> Collection[str]:
        """The codes of the agencies in the lines that were read."""
        return self._reader.agencies if self._reader is not None else ()

    @property
    def one_word_columns(self) -> Mapping[str, str]:
        """The columns that wrongly have the same word in every row, and the word; see `LineReader`."""
        return self._reader.one_word_columns if self._reader is not None else {}

    @property
    def reserved(self) -> Mapping[str, int]:
        """Bidder ids in the file with the prefix of assigned ones, and the row of each."""
        return self._reader.reserved if self._reader is not None else {}

    @property
    def successions(self) -> Sequence[Succession]:
        """The bidders in the file that took another one's place."""
        return self._reader.successions if self._reader is not None else ()

    def names(self, bidder_id: str) -> bool:
        """Returns whether a row of the file is a bidder's."""
        return self._reader is not None and self._reader.names(bidder_id)

    def _read_blocks(self) -> Iterator[ReadLines]:
        profile, mapping = self._profile, self._mapping
        file = open_roster(self._content, mapping, self.errors)
        self._reader = LineReader(
            mapping, profile.agencies, profile.bidder_id, file.header, self.errors, grade_kinds=self._grade_kinds
        )
        for block in file.read_blocks():
            yield ReadLines(self._reader.read(block), file.rows)
        # Without any block: a file with errors only.
        yield ReadLines(Lines(), file.rows)
