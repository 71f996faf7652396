"""What an import would do to a roster: which lines are new, changed, unchanged or gone, and whose lines they are."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

from instance_profile.model import BidderId
from instance_profile.name_key import name_key
from qualification_registry.domain.roster_cells import NOTHING
from qualification_registry.domain.roster_errors import MOST_SHOWN
from qualification_registry.domain.roster_lines import LINE_FIELDS, Lines, UndecidedLine
from refusals import Code, Refusal

_NAME, _ADDRESS = LINE_FIELDS.index("name"), LINE_FIELDS.index("address")
# What a person looks at first among many changes.
_WHO_AND_WHERE = frozenset({"name", "address", "representative_name"})
_ESCAPED = (("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"))


@dataclass(frozen=True, slots=True)
class Named:
    """A bidder in a list, for people. `bidder_id` is empty where it is assigned at the commit, `row` 0 where the file
    has none."""

    bidder_id: str
    name: str
    row: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A bidder whose line differs from the version before, and the fields that do; "grades" where only those do."""

    bidder_id: str
    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A line without a bidder, and the existing bidder that it seems to be; empty where a new one is suggested."""

    undecided: UndecidedLine
    bidder_id: str


@dataclass(frozen=True, slots=True)
class KnownBidder:
    """A bidder that an undecided line may be: as a roster names it."""

    bidder_id: str
    name: str
    address: str


class Comparison:
    """Compares the lines of a file with those of the roster's current version, block by block.

    `current` has the current line of each bidder id and is used up: what is left in it at the end is gone. `bidder_ids`
    has the bidder of each 法人番号, where the mapping has ids assigned; `number` gives the first of so many new ids.
    """

    def __init__(
        self,
        current: dict[str, str],
        *,
        bidder_ids: dict[str, str] | None = None,
        new_ids: Callable[[int], Sequence[str]] | None = None,
    ) -> None:
        self.rest = current
        self._is_first = not current
        self._bidder_ids = bidder_ids
        self._new_ids = new_ids
        self._not_yet: set[str] = set()
        self.new = self.changed = self.unchanged = 0
        self.new_bidders: list[Named] = []
        self.undecided: list[UndecidedLine] = []
        # By how much a person wants to see them: who or where, something else, grades only.
        self._changed_bidders: tuple[list[Changed], ...] = ([], [], [])

    def take(self, prefix: str, lines: Lines) -> list[str]:
        """The lines that have to be written: `prefix`, row, bidder id and line, parted by tabs."""
        self.undecided.extend(lines.undecided)
        bidder_ids = self._bidders(lines.keys)
        if self._is_first:
            self.new += len(lines.lines)
            room = MOST_SHOWN - len(self.new_bidders)
            for number, bidder_id, line in zip(lines.numbers[:room], bidder_ids, lines.lines, strict=False):
                self._show_new(number, bidder_id, line)
            return list(
                map("\t".join, zip(repeat(prefix), map(str, lines.numbers), bidder_ids, lines.lines, strict=False))
            )
        found = []
        for number, bidder_id, line in zip(lines.numbers, bidder_ids, lines.lines, strict=True):
            before = self.rest.pop(bidder_id, None)
            if before == line:
                self.unchanged += 1
                continue
            found.append(f"{prefix}\t{number}\t{bidder_id}\t{line}")
            if before is None:
                self.new += 1
                if len(self.new_bidders) < MOST_SHOWN:
                    self._show_new(number, bidder_id, line)
            else:
                self.changed += 1
                self._show_changed(bidder_id, before, line)
        return found

    @property
    def changed_bidders(self) -> list[Changed]:
        """The first changed bidders; those whose name, address or representative differ come before all others."""
        return [changed for group in self._changed_bidders for changed in group][:MOST_SHOWN]

    def suggestions(self, elsewhere: Iterable[KnownBidder]) -> list[Suggestion]:
        """The undecided lines, each with the bidder of the same name and address, if there is one.

        Bidders of this roster that the file does not name otherwise come first, then those of `elsewhere` (other
        rosters, earlier versions). Where several lines and several bidders are alike they pair up in their order, so
        that the same file pairs them the same way again.
        """
        if not self.undecided:
            return []
        candidates: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        wanted = {_keys(line.name, line.address) for line in self.undecided}
        here = (KnownBidder(bidder_id, name_of(line), address_of(line)) for bidder_id, line in self.rest.items())
        seen: set[str] = set()
        for known in (*here, *elsewhere):
            keys = _keys(known.name, known.address)
            if keys in wanted and known.bidder_id not in seen:
                seen.add(known.bidder_id)
                candidates[keys].append(known.bidder_id)
        found = []
        for line in self.undecided:
            alike = candidates[_keys(line.name, line.address)]
            found.append(Suggestion(line, alike.pop(0) if alike else ""))
        return found

    def _bidders(self, keys: Sequence[str]) -> Sequence[str]:
        if self._bidder_ids is None or self._new_ids is None:
            return keys
        known = self._bidder_ids
        if unknown := [key for key in keys if key not in known]:
            fresh = self._new_ids(len(unknown))
            self._not_yet.update(fresh)
            known.update(zip(unknown, fresh, strict=True))
        return [known[key] for key in keys]

    def _show_new(self, number: int, bidder_id: str, line: str) -> None:
        self.new_bidders.append(Named("" if bidder_id in self._not_yet else bidder_id, name_of(line), number))

    def _show_changed(self, bidder_id: str, before: str, after: str) -> None:
        values = zip(LINE_FIELDS, before.split("\t"), after.split("\t"), strict=True)
        differing = (field for field, old, new in values if old != new)
        # Other kinds are other grades.
        fields = tuple(dict.fromkeys("grades" if field == "grade_kinds" else field for field in differing))
        group = self._changed_bidders[0 if _WHO_AND_WHERE.intersection(fields) else 2 if fields == ("grades",) else 1]
        if len(group) < MOST_SHOWN:
            shown = fields if fields == ("grades",) else tuple(field for field in fields if field != "grades")
            group.append(Changed(bidder_id, name_of(after), shown))


def name_of(line: str) -> str:
    """The company's name in a line, as the file has it."""
    return _original(line.split("\t", _NAME + 1)[_NAME])


def address_of(line: str) -> str:
    """The address in a line, as the file has it; empty where there is none."""
    return _original(line.split("\t", _ADDRESS + 1)[_ADDRESS])


def numbered_ids(rule: BidderId, first: int, count: int) -> list[str]:
    """Bidder ids with the reserved prefix: `count` of them from the number `first`. Raises BIDDER_IDS_EXHAUSTED."""
    digits = rule.assigned_length - len(rule.assigned_prefix)
    if first + count > 10**digits:
        raise Refusal("BIDDER_IDS_EXHAUSTED", Code.RESOURCE_EXHAUSTED, {"prefix": rule.assigned_prefix})
    return [f"{rule.assigned_prefix}{number:0{digits}}" for number in range(first, first + count)]


def _keys(name: str, address: str) -> tuple[str, str]:
    return name_key(name), name_key(address)


def _original(value: str) -> str:
    if value == NOTHING:
        return ""
    if "\\" not in value:
        return value
    parts = value.split("\\\\")
    for escaped, sign in _ESCAPED:
        parts = [part.replace(escaped, sign) for part in parts]
    return "\\".join(parts)
