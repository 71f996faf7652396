"""Compares a file with the current version of a roster: which lines are new, changed, unchanged or gone."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, repeat

from instance_profile.model import BidderId
from qualification_registry.domain.broken_text import BROKEN_FIELDS, may_be_doubtful
from qualification_registry.domain.roster_cells import unescape_cell
from qualification_registry.domain.roster_changes import LineKind, find_kind
from qualification_registry.domain.roster_identity import KnownBidder, Suggestion, find_renumbered, suggest_bidders
from qualification_registry.domain.roster_lines import LINE_FIELDS, Lines, UndecidedLine
from refusals import Code, Refusal

_NAME, _ADDRESS = LINE_FIELDS.index("name"), LINE_FIELDS.index("address")


class Comparison:
    """Compares the lines of a file with those of the list that counts in its term, block by block.

    `current` maps bidder ids to current lines and is consumed: the lines in `remaining` at the end are gone. For the
    first list of a term, `earlier` has the lines of the term before; those of bidders in the file are taken out.
    `bidder_ids` maps 法人番号 to bidder ids and `new_ids` returns that many new ids, where the registry assigns them.
    With `asks_first`, lines with an unknown 法人番号 wait in `undecided` for `settle`; otherwise each is a new bidder.
    """

    def __init__(
        self,
        current: dict[str, str],
        *,
        earlier: dict[str, str] | None = None,
        bidder_ids: dict[str, str] | None = None,
        new_ids: Callable[[int], Sequence[str]] | None = None,
        asks_first: bool = False,
    ) -> None:
        self.remaining = current
        self.earlier = earlier or {}
        # How many bidders the file is expected to name.
        self.expected = len(current) or len(self.earlier)
        self._is_first = not current
        self._bidder_ids = bidder_ids
        self._new_ids = new_ids
        self._asks_first = asks_first
        self._named: set[str] = set()
        # How many lines are of each kind; those that are gone are in `remaining`.
        self.kinds: Counter[LineKind] = Counter()
        self.unchanged = 0
        self.undecided: list[UndecidedLine] = []
        # The ids and names of new bidders, where a bidder that leaves may be one of them.
        self._new: list[tuple[str, str]] = []
        # Rows of new and changed lines with a name that was probably broken.
        self.doubtful_rows: list[int] = []

    def compare(self, prefix: str, lines: Lines) -> list[str]:
        """Returns the lines that have to be written: `prefix`, kind, row, bidder id and line, separated by tabs."""
        self.undecided.extend(lines.undecided)
        self._note_doubtful([line.row for line in lines.undecided], [line.line for line in lines.undecided])
        if self._asks_first:
            lines = self._put_aside_unknown(lines)
        bidder_ids = self._find_bidder_ids(lines.keys)
        if self.ids_are_assigned:
            self._named.update(bidder_ids)
        if self._is_first:
            self.kinds[LineKind.NEW] += len(lines.lines)
            self._note_doubtful(lines.numbers, lines.lines)
            for bidder_id, line in zip(bidder_ids, lines.lines, strict=True) if self.earlier else ():
                if self.earlier.pop(bidder_id, None) is None and not self.ids_are_assigned:
                    self._new.append((bidder_id, read_name(line)))
            prefixes = repeat(f"{prefix}\t{LineKind.NEW.value}")
            return list(map("\t".join, zip(prefixes, map(str, lines.numbers), bidder_ids, lines.lines, strict=False)))
        written, numbers = [], []
        for number, bidder_id, line in zip(lines.numbers, bidder_ids, lines.lines, strict=True):
            before = self.remaining.pop(bidder_id, None)
            if before == line:
                self.unchanged += 1
                continue
            kind = find_kind(before, line)
            self.kinds[kind] += 1
            if kind is LineKind.NEW and not self.ids_are_assigned:
                self._new.append((bidder_id, read_name(line)))
            numbers.append(number)
            written.append(f"{prefix}\t{kind.value}\t{number}\t{bidder_id}\t{line}")
        self._note_doubtful(numbers, written)
        return written

    @property
    def ids_are_assigned(self) -> bool:
        """Whether the registry assigns the bidder ids."""
        return self._bidder_ids is not None

    @property
    def leaving(self) -> dict[str, str]:
        """The lines of bidders that the file does not name, of this term or, for its first list, of the term before."""
        return self.remaining or self.earlier

    def settle(self, prefix: str, others: Iterable[KnownBidder]) -> tuple[list[Suggestion], list[str]]:
        """Returns the lines that an officer has to decide, and those of certainly new bidders that have to be written.

        `others` are bidders of other rosters and earlier versions. `suggest_bidders` has the rule.
        """
        leaving = [
            KnownBidder(bidder_id, *read_fields(line, "name", "address", "corporate_number"))
            for bidder_id, line in self.leaving.items()
        ]
        others = (bidder for bidder in others if bidder.bidder_id not in self._named)
        suggestions, new = suggest_bidders(self.undecided, leaving, others)
        self.kinds[LineKind.NEW] += len(new)
        new_ids = self._new_ids(len(new)) if new and self._new_ids is not None else ()
        kind = LineKind.NEW.value
        return suggestions, [
            f"{prefix}\t{kind}\t{line.row}\t{bidder_id}\t{line.line}"
            for line, bidder_id in zip(new, new_ids, strict=True)
        ]

    def find_renumbered(self) -> list[tuple[str, str]]:
        """Returns the ids of bidders that the file does not name, each with the id of a new one of the same name.

        Empty where the registry assigns ids: there such lines are undecided.
        """
        if self.ids_are_assigned:
            return []
        return find_renumbered(self._new, ((bidder_id, read_name(line)) for bidder_id, line in self.leaving.items()))

    def _put_aside_unknown(self, lines: Lines) -> Lines:
        bidder_ids = self._bidder_ids or {}
        is_known = [key in bidder_ids for key in lines.keys]
        if all(is_known):
            return lines
        for known, row, key, line in zip(is_known, lines.numbers, lines.keys, lines.lines, strict=True):
            if not known:
                name, address = read_fields(line, "name", "address")
                self.undecided.append(UndecidedLine(row, name, address, line, key))
                self._note_doubtful([row], [line])
        return Lines(
            list(compress(lines.numbers, is_known)),
            list(compress(lines.keys, is_known)),
            list(compress(lines.lines, is_known)),
        )

    def _find_bidder_ids(self, keys: Sequence[str]) -> Sequence[str]:
        if self._bidder_ids is None or self._new_ids is None:
            return keys
        bidder_ids = self._bidder_ids
        if unknown := [key for key in keys if key not in bidder_ids]:
            bidder_ids.update(zip(unknown, self._new_ids(len(unknown)), strict=True))
        return [bidder_ids[key] for key in keys]

    def _note_doubtful(self, numbers: Sequence[int], lines: Sequence[str]) -> None:
        if may_be_doubtful("".join(lines)):
            self.doubtful_rows.extend(
                number
                for number, line in zip(numbers, lines, strict=True)
                if may_be_doubtful("".join(read_fields(line, *BROKEN_FIELDS)))
            )


def read_fields(line: str, *fields: str) -> list[str]:
    """Returns some values of a line, or of a text that ends with one, as they are in the file; empty for none."""
    cells = line.split("\t")[-len(LINE_FIELDS) :]
    return [unescape_cell(cells[LINE_FIELDS.index(field)]) for field in fields]


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
