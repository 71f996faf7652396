"""Compares a file with the current version of a roster: which lines are new, changed, unchanged or gone."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

from instance_profile.model import BidderId
from instance_profile.name_key import name_key
from qualification_registry.domain.roster_cells import unescape_cell
from qualification_registry.domain.roster_changes import LineKind, find_kind
from qualification_registry.domain.roster_lines import LINE_FIELDS, Lines, UndecidedLine
from refusals import Code, Refusal

_NAME, _ADDRESS = LINE_FIELDS.index("name"), LINE_FIELDS.index("address")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An undecided line and the existing bidder that it probably names; empty where a new one is suggested."""

    undecided: UndecidedLine
    bidder_id: str


@dataclass(frozen=True, slots=True)
class KnownBidder:
    """A bidder that an undecided line may name, with its name and address in a roster."""

    bidder_id: str
    name: str
    address: str


class Comparison:
    """Compares the lines of a file with those of the roster's current version, block by block.

    `current` maps bidder ids to current lines and is consumed: the lines in `remaining` at the end are gone.
    `bidder_ids` maps 法人番号 to bidder ids and `new_ids` returns that many new ids, where the registry assigns them.
    """

    def __init__(
        self,
        current: dict[str, str],
        *,
        bidder_ids: dict[str, str] | None = None,
        new_ids: Callable[[int], Sequence[str]] | None = None,
    ) -> None:
        self.remaining = current
        self._is_first = not current
        self._bidder_ids = bidder_ids
        self._new_ids = new_ids
        # How many lines are of each kind; those that are gone are in `remaining`.
        self.kinds: Counter[LineKind] = Counter()
        self.unchanged = 0
        self.undecided: list[UndecidedLine] = []

    def compare(self, prefix: str, lines: Lines) -> list[str]:
        """Returns the lines that have to be written: `prefix`, kind, row, bidder id and line, separated by tabs."""
        self.undecided.extend(lines.undecided)
        bidder_ids = self._find_bidder_ids(lines.keys)
        if self._is_first:
            self.kinds[LineKind.NEW] += len(lines.lines)
            prefixes = repeat(f"{prefix}\t{LineKind.NEW.value}")
            return list(map("\t".join, zip(prefixes, map(str, lines.numbers), bidder_ids, lines.lines, strict=False)))
        written = []
        for number, bidder_id, line in zip(lines.numbers, bidder_ids, lines.lines, strict=True):
            before = self.remaining.pop(bidder_id, None)
            if before == line:
                self.unchanged += 1
                continue
            kind = find_kind(before, line)
            self.kinds[kind] += 1
            written.append(f"{prefix}\t{kind.value}\t{number}\t{bidder_id}\t{line}")
        return written

    def suggest(self, others: Iterable[KnownBidder]) -> list[Suggestion]:
        """Returns the undecided lines, each with the bidder of the same name and address, if there is one.

        Bidders of this roster that no other line of the file names take precedence over `others` (of other rosters and
        earlier versions). Where several lines and bidders are alike, they are paired in their order, so that the same
        file gets the same pairs again.
        """
        if not self.undecided:
            return []
        candidates: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        undecided_keys = {_derive_keys(line.name, line.address) for line in self.undecided}
        own = (
            KnownBidder(bidder_id, read_name(line), read_address(line)) for bidder_id, line in self.remaining.items()
        )
        seen: set[str] = set()
        for bidder in (*own, *others):
            keys = _derive_keys(bidder.name, bidder.address)
            if keys in undecided_keys and bidder.bidder_id not in seen:
                seen.add(bidder.bidder_id)
                candidates[keys].append(bidder.bidder_id)
        suggestions = []
        for line in self.undecided:
            alike = candidates[_derive_keys(line.name, line.address)]
            suggestions.append(Suggestion(line, alike.pop(0) if alike else ""))
        return suggestions

    def _find_bidder_ids(self, keys: Sequence[str]) -> Sequence[str]:
        if self._bidder_ids is None or self._new_ids is None:
            return keys
        bidder_ids = self._bidder_ids
        if unknown := [key for key in keys if key not in bidder_ids]:
            bidder_ids.update(zip(unknown, self._new_ids(len(unknown)), strict=True))
        return [bidder_ids[key] for key in keys]


def read_name(line: str) -> str:
    """Returns the company's name in a line, as it is in the file."""
    return unescape_cell(line.split("\t", _NAME + 1)[_NAME])


def read_address(line: str) -> str:
    """Returns the address in a line, as it is in the file; empty where there is none."""
    return unescape_cell(line.split("\t", _ADDRESS + 1)[_ADDRESS])


def format_bidder_ids(rule: BidderId, first: int, count: int) -> list[str]:
    """Returns `count` bidder ids with the reserved prefix, from the number `first`. Raises BIDDER_IDS_EXHAUSTED."""
    digits = rule.assigned_length - len(rule.assigned_prefix)
    if first + count > 10**digits:
        raise Refusal("BIDDER_IDS_EXHAUSTED", Code.RESOURCE_EXHAUSTED, {"prefix": rule.assigned_prefix})
    return [f"{rule.assigned_prefix}{number:0{digits}}" for number in range(first, first + count)]


def _derive_keys(name: str, address: str) -> tuple[str, str]:
    return name_key(name), name_key(address)
