"""Which existing bidder a line means where its own number does not say so: suggested, asked, or a new one (QUA-12).

Where the registry assigns bidder ids, an id, its passwords and its cards would be lost to a new bidder made by mistake,
and given to a stranger by a wrong match. So a line that may mean an existing bidder is never decided here.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from instance_profile.name_key import exact_name_key, name_key
from qualification_registry.domain.roster_lines import UndecidedLine

# An officer chooses among so many bidders of one name.
MOST_ALIKE = 10
_MOST_OF_A_KEY = 100

# Why an officer has to decide a line.
WITHOUT_NUMBER = "ROSTER_ROW_WITHOUT_NUMBER"
NUMBER_APPEARED = "ROSTER_ROW_NUMBER_APPEARED"
PERHAPS_SAME = "ROSTER_ROW_PERHAPS_SAME"


@dataclass(frozen=True, slots=True)
class KnownBidder:
    """A bidder that a line may mean, as a roster has it; without an address or 法人番号 these are empty."""

    bidder_id: str
    name: str
    address: str
    corporate_number: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An undecided line, why it is undecided, and the existing bidders that it may mean, the most alike first.

    `bidder_id` is the suggested one; empty where a new bidder is suggested, or none at all (PERHAPS_SAME).
    """

    undecided: UndecidedLine
    reason: str
    bidder_id: str
    alike: Sequence[KnownBidder] = ()


def suggest_bidders(
    lines: Sequence[UndecidedLine], leaving: Iterable[KnownBidder], others: Iterable[KnownBidder]
) -> tuple[list[Suggestion], list[UndecidedLine]]:
    """Returns the lines that an officer has to decide, and those of bidders that are certainly new.

    A line may mean a bidder of its name that is `leaving` the roster, since no line of the file names it, and one of
    `others` of its name and address. It is suggested where the names are the same character for character and the two
    do not have different 法人番号; a bidder that is alike in variant characters only, or has another 法人番号, is never
    suggested, and the officer has to name it or a new one. A line without 法人番号 is always undecided.

    Where several lines and bidders are alike, they are paired in their order, so that the same file gets the same pairs
    again.
    """
    known = _KnownBidders({name_key(line.name) for line in lines}, leaving, others)
    suggested: dict[int, KnownBidder] = {}
    # Lines of the same address choose first, so that no line of the same name alone takes their bidder.
    for list_bidders, needs_address in ((known.list_at_address, True), (known.list_leaving, False)):
        for line in lines:
            if line.row not in suggested:
                for bidder in list_bidders(line):
                    if _is_exact(line, bidder, with_address=needs_address and not known.is_leaving(bidder)):
                        suggested[line.row] = bidder
                        known.take(bidder)
                        break
    undecided, new = [], []
    for line in lines:
        own = suggested.get(line.row)
        alike = list(dict.fromkeys((*known.list_at_address(line), *known.list_leaving(line))))[:MOST_ALIKE]
        if own is not None:
            reason = NUMBER_APPEARED if line.corporate_number else WITHOUT_NUMBER
            undecided.append(Suggestion(line, reason, own.bidder_id, (own, *alike)[:MOST_ALIKE]))
        elif alike:
            undecided.append(Suggestion(line, PERHAPS_SAME, "", alike))
        elif line.corporate_number:
            new.append(line)
        else:
            undecided.append(Suggestion(line, WITHOUT_NUMBER, ""))
    return undecided, new


def find_renumbered(new: Iterable[tuple[str, str]], leaving: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns the ids of bidders that leave a roster, each with the id of a new one of the same name.

    Takes ids and names. Every new id is paired once.
    """
    new_ids: defaultdict[str, list[str]] = defaultdict(list)
    for bidder_id, name in new:
        if key := name_key(name):
            new_ids[key].append(bidder_id)
    pairs = []
    for bidder_id, name in leaving if new_ids else ():
        if same := new_ids.get(name_key(name)):
            pairs.append((bidder_id, same.pop(0)))
    return pairs


class _KnownBidders:
    """The bidders that no line has been suggested for yet, by the keys of their names and addresses.

    Of each key at most _MOST_OF_A_KEY are listed: a file may have the same name in every row.
    """

    def __init__(self, names: Collection[str], leaving: Iterable[KnownBidder], others: Iterable[KnownBidder]) -> None:
        self._leaving: defaultdict[str, deque[KnownBidder]] = defaultdict(deque)
        self._at_address: defaultdict[tuple[str, str], deque[KnownBidder]] = defaultdict(deque)
        self._leaving_ids: set[str] = set()
        self._taken: set[str] = set()
        seen: set[str] = set()
        for bidders, are_leaving in ((leaving, True), (others, False)):
            for bidder in bidders:
                name = name_key(bidder.name)
                # The key of a name without any letter is empty, and matches nothing.
                if not name or name not in names or bidder.bidder_id in seen:
                    continue
                seen.add(bidder.bidder_id)
                self._at_address[name, name_key(bidder.address)].append(bidder)
                if are_leaving:
                    self._leaving_ids.add(bidder.bidder_id)
                    self._leaving[name].append(bidder)

    def list_at_address(self, line: UndecidedLine) -> Sequence[KnownBidder]:
        """Returns the bidders of a line's name and address."""
        return self._list(self._at_address.get((name_key(line.name), name_key(line.address))))

    def list_leaving(self, line: UndecidedLine) -> Sequence[KnownBidder]:
        """Returns the bidders of a line's name that leave the roster."""
        return self._list(self._leaving.get(name_key(line.name)))

    def is_leaving(self, bidder: KnownBidder) -> bool:
        """Returns whether a bidder leaves the roster."""
        return bidder.bidder_id in self._leaving_ids

    def take(self, bidder: KnownBidder) -> None:
        """Removes a bidder, which a line has been suggested for."""
        self._taken.add(bidder.bidder_id)

    def _list(self, bidders: deque[KnownBidder] | None) -> Sequence[KnownBidder]:
        # They are taken from the front, mostly.
        while bidders and bidders[0].bidder_id in self._taken:
            bidders.popleft()
        first = islice(bidders or (), _MOST_OF_A_KEY)
        return [bidder for bidder in first if bidder.bidder_id not in self._taken]


def _is_exact(line: UndecidedLine, bidder: KnownBidder, *, with_address: bool) -> bool:
    """Returns whether a bidder with the keys of a line is the line's, character for character and by its number."""
    numbers = {line.corporate_number, bidder.corporate_number} - {""}
    return (
        len(numbers) < 2
        and exact_name_key(line.name) == exact_name_key(bidder.name)
        and (not with_address or exact_name_key(line.address) == exact_name_key(bidder.address))
    )
