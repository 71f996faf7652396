"""What was sealed, held against the entries that are there, batch by batch.

An entry is known by its digest. Where entries were removed or inserted, and all behind them moved up or down, those
that moved turn up in the batch before or after; so what a batch lacks, and what it has beyond, is named one batch
later.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from history.findings import Fault, Finding


class SeenEntry(NamedTuple):
    """An entry that is there, with the digest computed from its columns."""

    position: int
    number: int
    digest: bytes


class Comparison:
    """The comparison of a history, or of a range of it. Memory holds what two batches lack and have beyond."""

    def __init__(self) -> None:
        # Of the batch before: what it lacks by digest, with the position, and what it has beyond.
        self._missing: dict[bytes, int] = {}
        self._extra: dict[bytes, SeenEntry] = {}
        self._last_seen = 0
        # Positions of which no later one is there: removed, or cut where nothing follows.
        self._tail: tuple[int, int] | None = None
        # Entries that are in another batch than theirs, as a range of positions.
        self._moved: tuple[int, int] | None = None
        self._has_shifted = False

    def compare(self, first_position: int, leaves: Sequence[bytes], seen: Sequence[SeenEntry]) -> Iterator[Finding]:
        """Yields what shows by the next batch: its first position, its digests as sealed, its entries by position."""
        yield from self._end_tail(seen)
        if [entry.digest for entry in seen] == leaves:
            yield from self._name_and_keep({}, {})
            return
        sealed = {digest: first_position + index for index, digest in enumerate(leaves)}
        found: dict[bytes, SeenEntry] = {}
        for entry in seen:
            if entry.digest in found:
                yield Finding(
                    fault=Fault.INSERTED,
                    first_position=entry.position,
                    last_position=entry.position,
                    number=entry.number,
                )
            else:
                found[entry.digest] = entry
        yield from _name_reordered([sealed[digest] for digest in found if digest in sealed])
        missing = {digest: position for digest, position in sealed.items() if digest not in found}
        extra = {digest: entry for digest, entry in found.items() if digest not in sealed}
        self._take_moved(missing, self._extra)
        self._take_moved(self._missing, extra)
        if seen:
            yield from self._name_and_keep(missing, extra)
        else:
            yield from self._name_and_keep({}, {})
            first = first_position if self._tail is None else self._tail[0]
            self._tail = (first, first_position + len(leaves) - 1)

    def add_uncovered(self, seen: Iterable[SeenEntry]) -> None:
        """Takes entries behind the last batch."""
        extra = {entry.digest: entry for entry in seen}
        self._take_moved(self._missing, extra)
        self._extra |= extra

    def end(self) -> Iterator[Finding]:
        """Yields what shows after the last batch."""
        yield from self._name_and_keep({}, {})
        if self._tail is not None:
            yield Finding(fault=Fault.CUT, first_position=self._tail[0], last_position=self._tail[1])
        # Behind what was removed or inserted all others have moved.
        if self._moved is not None and not self._has_shifted:
            yield Finding(fault=Fault.REORDERED, first_position=self._moved[0], last_position=self._moved[1])

    def _end_tail(self, seen: Sequence[SeenEntry]) -> Iterator[Finding]:
        if seen:
            self._last_seen = seen[-1].position
            if self._tail is not None:
                yield Finding(fault=Fault.REMOVED, first_position=self._tail[0], last_position=self._tail[1])
                self._tail = None

    def _take_moved(self, missing: dict[bytes, int], extra: dict[bytes, SeenEntry]) -> None:
        for digest in missing.keys() & extra.keys():
            places = (missing.pop(digest), extra.pop(digest).position)
            known = places if self._moved is None else (*places, *self._moved)
            self._moved = (min(known), max(known))

    def _name_and_keep(self, missing: dict[bytes, int], extra: dict[bytes, SeenEntry]) -> Iterator[Finding]:
        """Names what the batch before lacks and has beyond, and keeps what this one does."""
        named: dict[int, tuple[Fault, int | None]] = {}
        beyond = {entry.position: entry for entry in self._extra.values()}
        tail = []
        for position in self._missing.values():
            if (entry := beyond.pop(position, None)) is not None:
                named[position] = (Fault.CHANGED, entry.number)
            elif position > self._last_seen:
                tail.append(position)
            else:
                named[position] = (Fault.REMOVED, None)
        named |= {position: (Fault.INSERTED, entry.number) for position, entry in beyond.items()}
        self._has_shifted |= any(fault != Fault.CHANGED for fault, _ in named.values())
        if tail:
            last = tail[-1] if self._tail is None else self._tail[1]
            self._tail = (tail[0], max(last, tail[-1]))
        self._missing, self._extra = missing, extra
        yield from _join_neighbours(named)


def _name_reordered(places: Sequence[int]) -> Iterator[Finding]:
    """Yields the range within which entries do not stand in the order in which they were sealed."""
    wrong = [place for pair in zip(places, sorted(places), strict=True) if pair[0] != pair[1] for place in pair]
    if wrong:
        yield Finding(fault=Fault.REORDERED, first_position=min(wrong), last_position=max(wrong))


def _join_neighbours(named: Mapping[int, tuple[Fault, int | None]]) -> Iterator[Finding]:
    """Yields one finding for each run of positions with the same fault, with the number where it is one entry."""
    positions = sorted(named)
    first = 0
    for place, position in enumerate(positions):
        fault, number = named[position]
        follows = place + 1 < len(positions) and positions[place + 1] == position + 1
        if follows and named[position + 1][0] == fault:
            continue
        yield Finding(
            fault=fault,
            first_position=positions[first],
            last_position=position,
            number=number if first == place else None,
        )
        first = place + 1
