"""Whether a history is what was sealed, and what was done to it. Pure: it is given heads and entries, and keys.

What it can't find: an act of which no entry was written; an entry that was written, or changed before it was sealed, by
somebody who can write as the service does; and, where the key was stolen too, a history that was rewritten as a whole,
unless somebody holds an older head (`Witness`).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from history.comparison import Comparison, SeenEntry
from history.entries import ERASED, ERASED_ENTRIES, Chain, StoredEntry, digest_details, digest_entry, digest_erased
from history.findings import Fault, Finding
from history.heads import BEFORE_THE_FIRST, MOST_ENTRIES, Head, PublicKeys, SealedBatch, Witness, is_signed
from history.merkle import compute_root

# Entries between two reports of progress.
REPORT_INTERVAL = 1000


def verify_history(
    items: Iterable[SealedBatch | StoredEntry],
    verification: "Verification",
    report: Callable[[int], None] = lambda _entries: None,
) -> Iterator[Finding]:
    """Yields what a verification finds in a history; reports now and then how many entries were verified."""
    reported = 0
    for item in items:
        yield from verification.take(item)
        if verification.entries - reported >= REPORT_INTERVAL:
            reported = verification.entries
            report(reported)
    yield from verification.end()
    report(verification.entries)


class Verification:
    """The verification of a history, or of a range of it, which is taken item by item.

    Items come by position, each batch before its entries; at the end those entries that have no position, or one that
    no head covers, and that do not wait for one. Memory holds two batches, and the digest of each entry whose details
    an act has erased, until that act is reached.

    A range consists of whole batches. What its first head says of the one before is not verified, nor which details an
    act of erasure names, which may be those of other entries too.
    """

    def __init__(
        self, chain: Chain, keys: PublicKeys, *, witnesses: Iterable[Witness] = (), is_range: bool = False
    ) -> None:
        self._chain = chain
        self._keys = keys
        self._witnesses = sorted(witnesses)
        self._is_range = is_range
        self._batch: SealedBatch | None = None
        self._seen: list[SeenEntry] = []
        # Entries whose digest is not the one that is stored with them.
        self._changed: list[SeenEntry] = []
        # Entries behind the newest head, at most those of one batch; how many there are, and the last one's position.
        self._uncovered: list[SeenEntry] = []
        self._last_uncovered = 0
        self._comparison = Comparison()
        # By the number of the act: entries whose details it is said to have erased.
        self._erased: dict[int, list[SeenEntry]] = {}
        self.entries = 0

    @property
    def newest_head(self) -> Head | None:
        """The last head that was taken."""
        return None if self._batch is None else self._batch.head

    def take(self, item: SealedBatch | StoredEntry) -> Sequence[Finding]:
        """Returns what the next item shows."""
        return list(self._take_batch(item)) if isinstance(item, SealedBatch) else self._take_entry(item)

    def end(self) -> Sequence[Finding]:
        """Returns what shows after the last item."""
        return list(self._end())

    def _end(self) -> Iterator[Finding]:
        yield from self._end_batch()
        yield from self._end_uncovered(None)
        yield from self._comparison.end()
        for act, entries in self._erased.items():
            yield from _name_erased(act, entries, None if self._is_range else Fault.ERASED_WITHOUT_ACT)
        newest = self.newest_head
        for witness in self._witnesses:
            if not self._is_range and (newest is None or witness.number > newest.number):
                yield Finding(fault=Fault.ROLLED_BACK, head=witness.number)

    def _take_batch(self, batch: SealedBatch) -> Iterator[Finding]:
        yield from self._end_batch()
        head = batch.head
        yield from self._end_uncovered(head)
        yield from self._check_place(head)
        if head.chain != self._chain.id:
            yield Finding(fault=Fault.HEAD_OF_ANOTHER_CHAIN, head=head.number)
        key = self._keys.get(head.key_id)
        if key is None:
            yield Finding(fault=Fault.KEY_UNKNOWN, head=head.number)
        elif not is_signed(head, key):
            yield Finding(fault=Fault.SIGNATURE_WRONG, head=head.number)
        for witness in self._witnesses:
            if witness.number == head.number and witness.hash != head.hash:
                yield Finding(fault=Fault.REWRITTEN, head=head.number)
        self._batch = batch

    def _check_place(self, head: Head) -> Iterator[Finding]:
        before = self.newest_head
        if before is None and self._is_range:
            return
        number = 1 if before is None else before.number + 1
        first = 1 if before is None else before.last_position + 1
        previous = BEFORE_THE_FIRST if before is None else before.hash
        if head.number > number:
            yield Finding(
                fault=Fault.HEAD_REMOVED, head=number, first_position=first, last_position=head.first_position - 1
            )
        elif (head.number, head.first_position, head.previous) != (number, first, previous):
            yield Finding(fault=Fault.CHAIN_BROKEN, head=head.number)

    def _take_entry(self, entry: StoredEntry) -> Sequence[Finding]:
        self.entries += 1
        position = entry.position
        if position is None:
            return [Finding(fault=Fault.INSERTED, number=entry.number)]
        seen = SeenEntry(position, entry.number, digest_entry(self._chain, entry, entry.details_digest))
        head = self.newest_head
        if head is None or position > head.last_position:
            self._last_uncovered = position
            if len(self._uncovered) < MOST_ENTRIES:
                self._uncovered.append(seen)
            return ()
        # A head that claims more entries than a batch can have is found without them.
        if len(self._seen) <= MOST_ENTRIES:
            self._seen.append(seen)
            if seen.digest != entry.digest:
                self._changed.append(seen)
        findings: list[Finding] = []
        if entry.details is not None and entry.salt is not None:
            if digest_details(entry.salt, entry.details) != entry.details_digest:
                findings.append(_name(Fault.DETAILS_CHANGED, seen))
        elif entry.erased_by is None:
            findings.append(_name(Fault.DETAILS_MISSING, seen))
        else:
            self._erased.setdefault(entry.erased_by, []).append(seen)
        if self._erased and entry.number in self._erased:
            findings += self._check_erasure(entry, self._erased.pop(entry.number))
        return findings

    def _check_erasure(self, act: StoredEntry, erased: Sequence[SeenEntry]) -> Iterator[Finding]:
        """Compares an act of erasure with the entries that are said to be erased by it."""
        names = digest_erased(entry.digest for entry in erased)
        is_act = act.what == ERASED and (self._is_range or _read_erased(act) == names)
        return _name_erased(act.number, erased, None if is_act else Fault.ERASED_WITHOUT_ACT)

    def _end_batch(self) -> Iterator[Finding]:
        if self._batch is None:
            return
        head, seen, changed = self._batch.head, self._seen, self._changed
        self._seen, self._changed = [], []
        sealed = self._batch.split_leaves()
        if len(sealed) == head.size and compute_root(sealed) == head.root:
            # Of the others the comparison says so.
            yield from (_name(Fault.CHANGED, entry) for entry in changed if entry.digest in sealed)
            yield from self._comparison.compare(head.first_position, sealed, seen)
        else:
            is_sealed = len(seen) == head.size and compute_root([entry.digest for entry in seen]) == head.root
            yield Finding(
                fault=Fault.LEAVES_CHANGED if is_sealed else Fault.BATCH_CHANGED,
                head=head.number,
                first_position=head.first_position,
                last_position=head.last_position,
            )

    def _end_uncovered(self, head: Head | None) -> Iterator[Finding]:
        """Names the entries between the newest head and this one, or the end."""
        newest, uncovered = self.newest_head, self._uncovered
        if not uncovered:
            return
        self._uncovered = []
        if head is not None and head.number > (0 if newest is None else newest.number) + 1:
            # They are those of heads that are missing.
            return
        self._comparison.add_uncovered(uncovered)
        if self._last_uncovered > uncovered[-1].position:
            yield Finding(
                fault=Fault.INSERTED,
                first_position=uncovered[-1].position + 1,
                last_position=self._last_uncovered,
            )


def _name(fault: Fault, entry: SeenEntry) -> Finding:
    return Finding(fault=fault, first_position=entry.position, last_position=entry.position, number=entry.number)


def _name_erased(act: int, erased: Iterable[SeenEntry], fault: Fault | None) -> Iterator[Finding]:
    for entry in erased:
        yield Finding(
            fault=fault, first_position=entry.position, last_position=entry.position, number=entry.number, act=act
        )


def _read_erased(act: StoredEntry) -> str | None:
    try:
        names: str | None = json.loads(act.details or "")["after"][ERASED_ENTRIES]
    except (ValueError, TypeError, KeyError):
        return None
    return names
