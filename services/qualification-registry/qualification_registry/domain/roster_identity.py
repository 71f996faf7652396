"""Which existing bidder a line means where its own number does not say so: suggested, asked, or a new one (QUA-12).

Where the registry assigns bidder ids, an id, its passwords and its cards would be lost to a new bidder made by mistake,
and given to a stranger by a wrong match. So a line that may mean an existing bidder is never decided here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from instance_profile.name_key import exact_name_key, name_key
from qualification_registry.domain.roster_lines import UndecidedLine

# An officer chooses among so many bidders of one name.
MOST_ALIKE = 10

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


class _Candidate(NamedTuple):
    """A bidder of a line's name: whether the addresses are the same too, and whether it may be suggested."""

    bidder: KnownBidder
    has_address: bool
    may_be_suggested: bool


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
    candidates = _find_candidates(lines, leaving, others)
    free = {candidate.bidder.bidder_id for alike in candidates.values() for candidate in alike}
    suggested: dict[int, KnownBidder] = {}
    # Lines of the same address choose first, so that no line of the same name alone takes their bidder.
    for by_name_alone in (False, True):
        for line in lines:
            for bidder, has_address, may_be_suggested in candidates[line.row]:
                is_match = may_be_suggested and (has_address or by_name_alone)
                if is_match and line.row not in suggested and bidder.bidder_id in free:
                    suggested[line.row] = bidder
                    free.discard(bidder.bidder_id)
    undecided, new = [], []
    for line in lines:
        own = suggested.get(line.row)
        alike = [candidate.bidder for candidate in candidates[line.row] if candidate.bidder.bidder_id in free]
        if own is not None:
            reason = NUMBER_APPEARED if line.corporate_number else WITHOUT_NUMBER
            undecided.append(Suggestion(line, reason, own.bidder_id, (own, *alike)[:MOST_ALIKE]))
        elif alike:
            undecided.append(Suggestion(line, PERHAPS_SAME, "", alike[:MOST_ALIKE]))
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


def _find_candidates(
    lines: Sequence[UndecidedLine], leaving: Iterable[KnownBidder], others: Iterable[KnownBidder]
) -> Mapping[int, Sequence[_Candidate]]:
    """Returns the bidders that each line may mean, by row, the most alike first."""
    by_name: defaultdict[str, list[UndecidedLine]] = defaultdict(list)
    for line in lines:
        # The key of a name without any letter is empty, and matches nothing.
        if key := name_key(line.name):
            by_name[key].append(line)
    found: defaultdict[int, list[_Candidate]] = defaultdict(list)
    seen: set[str] = set()
    for bidders, is_leaving in ((leaving, True), (others, False)):
        for bidder in bidders:
            same_name = by_name.get(name_key(bidder.name), ())
            if not same_name or bidder.bidder_id in seen:
                continue
            seen.add(bidder.bidder_id)
            for line in same_name:
                has_address = name_key(line.address) == name_key(bidder.address)
                if has_address or is_leaving:
                    may_be_suggested = _may_be_suggested(line, bidder, by_name_alone=is_leaving)
                    found[line.row].append(_Candidate(bidder, has_address, may_be_suggested))
    for alike in found.values():
        alike.sort(key=lambda candidate: (not candidate.may_be_suggested, not candidate.has_address))
    return found


def _may_be_suggested(line: UndecidedLine, bidder: KnownBidder, *, by_name_alone: bool) -> bool:
    """Returns whether a bidder with the keys of a line is the line's, character for character and by its number."""
    numbers = {line.corporate_number, bidder.corporate_number} - {""}
    return (
        len(numbers) < 2
        and exact_name_key(line.name) == exact_name_key(bidder.name)
        and (by_name_alone or exact_name_key(line.address) == exact_name_key(bidder.address))
    )
