"""The officer's word on lines whose bidder can't be told from the file (QUA-12)."""

from collections.abc import Mapping, Sequence

from refusals import Code, Refusal

# So many row numbers stand in a refusal; it travels in headers, which are small.
_MOST_ROWS = 20


def decided_bidders(
    suggestions: Mapping[int, str], decisions: Sequence[tuple[int, str]], *, accept_suggestions: bool
) -> dict[int, str]:
    """The bidder of each undecided row, empty for a new one. `suggestions` has the suggested bidder of each of them;
    a decision counts more than a suggestion.

    Raises ROSTER_ROWS_UNDECIDED, ROSTER_ROW_NOT_UNDECIDED, ROSTER_BIDDER_DECIDED_TWICE.
    """
    decided = dict(suggestions) if accept_suggestions else {}
    told: set[int] = set()
    for row, bidder_id in decisions:
        if row not in suggestions or row in told:
            raise Refusal("ROSTER_ROW_NOT_UNDECIDED", Code.INVALID_ARGUMENT, {"row": str(row)})
        told.add(row)
        decided[row] = bidder_id
    if missing := [row for row in suggestions if row not in decided]:
        rows = ", ".join(map(str, missing[:_MOST_ROWS])) + (" …" if len(missing) > _MOST_ROWS else "")
        raise Refusal("ROSTER_ROWS_UNDECIDED", Code.FAILED_PRECONDITION, {"rows": rows, "count": str(len(missing))})
    first_row: dict[str, int] = {}
    for row, bidder_id in decided.items():
        if bidder_id and first_row.setdefault(bidder_id, row) != row:
            raise twice(bidder_id, row)
    return decided


def twice(bidder_id: str, row: int) -> Refusal:
    """Two lines of one file can't be the same bidder."""
    metadata = {"bidder_id": bidder_id[:40], "row": str(row)}
    return Refusal("ROSTER_BIDDER_DECIDED_TWICE", Code.INVALID_ARGUMENT, metadata)
