"""What a verification can find."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What was done to a history."""

    # To entries.
    CHANGED = "changed"
    REMOVED = "removed"
    # Also said of entries behind the newest head, which may be those of heads that were removed.
    INSERTED = "inserted"
    REORDERED = "reordered"
    # The newest entries are missing, their heads are there.
    CUT = "cut"
    # To details.
    DETAILS_CHANGED = "details changed"
    DETAILS_MISSING = "details missing"
    # It is said that an act erased them, and that act is not in the history, or is not about them.
    ERASED_WITHOUT_ACT = "erased without the act"
    # To heads.
    HEAD_REMOVED = "head removed"
    HEAD_OF_ANOTHER_CHAIN = "head of another chain"
    # It does not name the head before, or does not go on where that one ends.
    CHAIN_BROKEN = "chain broken"
    # The digests that are stored with it are not those that it is the root of; which entries differ can't be told then.
    LEAVES_CHANGED = "leaves changed"
    BATCH_CHANGED = "batch changed"
    KEY_UNKNOWN = "key unknown"
    SIGNATURE_WRONG = "signature wrong"
    # Against a head that somebody else holds: the history ends before it, or has another one in its place.
    ROLLED_BACK = "rolled back"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it was written, or details that an act has erased (`fault` is None).

    Entries are named by their first and last position; by `number`, the database's own, where they have no position.
    `act` is the number of the act of erasure.
    """

    fault: Fault | None
    first_position: int | None = None
    last_position: int | None = None
    number: int | None = None
    head: int | None = None
    act: int | None = None
