"""Predecessors: whose place a bidder took in a category (QUA-10). Cards of a predecessor are not renewed (REN-02).

A bidder has at most one successor in a category, and may be the successor of several.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from instance_profile.roster_mapping import SuccessionKind
from refusals import Code, Refusal


class LinkFault(StrEnum):
    """Why a bidder can't become the successor of another one."""

    SAME = "same"
    LINKED = "linked"
    CIRCULAR = "circular"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """That a bidder took the place of its predecessor in a category, and why."""

    category: str
    bidder_id: str
    predecessor: str
    kind: SuccessionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRequest:
    """A link that an officer of an agency, or of the operator, proposes, with its reason."""

    agency: str
    link: Link
    reason: str


def require_no_successor(kind: SuccessionKind | None) -> None:
    """Raises the reason why the cards of a bidder with a successor can't be renewed; `kind` is None without one.

    BIDDER_REAPPLIED, BIDDER_AUTHORITY_TRANSFERRED, BIDDER_MERGED. Nobody is told here which bidder the successor is.
    """
    match kind:
        case SuccessionKind.REAPPLICATION:
            raise Refusal("BIDDER_REAPPLIED", Code.FAILED_PRECONDITION)
        case SuccessionKind.TRANSFER:
            raise Refusal("BIDDER_AUTHORITY_TRANSFERRED", Code.FAILED_PRECONDITION)
        case SuccessionKind.MERGER:
            raise Refusal("BIDDER_MERGED", Code.FAILED_PRECONDITION)


def find_link_fault(successors: Mapping[str, str], bidder_id: str, predecessor: str) -> LinkFault | None:
    """Returns why a bidder can't become the successor of another one, or None. `successors` are those that stand.

    A link that stands already has no fault.
    """
    if predecessor == bidder_id:
        return LinkFault.SAME
    if successors.get(predecessor, bidder_id) != bidder_id:
        return LinkFault.LINKED
    follower = successors.get(bidder_id)
    while follower is not None:
        if follower == predecessor:
            return LinkFault.CIRCULAR
        follower = successors.get(follower)
    return None


def require_linkable(successors: Mapping[str, str], bidder_id: str, predecessor: str) -> None:
    """Raises PREDECESSOR_SAME, PREDECESSOR_LINKED (also to this bidder), PREDECESSOR_CIRCULAR."""
    fault = find_link_fault(successors, bidder_id, predecessor)
    if fault is LinkFault.SAME:
        raise Refusal("PREDECESSOR_SAME", Code.INVALID_ARGUMENT)
    if fault is LinkFault.LINKED or predecessor in successors:
        raise Refusal("PREDECESSOR_LINKED", Code.FAILED_PRECONDITION)
    if fault is LinkFault.CIRCULAR:
        raise Refusal("PREDECESSOR_CIRCULAR", Code.FAILED_PRECONDITION)
