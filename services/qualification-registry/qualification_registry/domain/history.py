"""The entries of the history: what officers did to rosters, passwords, bidders and cards (LIF-05).

Details hold ids, counts and the names of rosters and files, and never a password or its hash.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from history.entries import Entry, SignedAct, State
from instance_profile.base import OPERATOR
from qualification_registry.domain.card_approval import (
    CardApproval,
    CardAtAgency,
    Questions,
    write_number,
)
from qualification_registry.domain.passwords import IssueOrder
from qualification_registry.domain.predecessor import Link
from qualification_registry.domain.review import ReviewEnd
from qualification_registry.domain.roster_decisions import Answers
from qualification_registry.domain.roster_import import ImportCounts, RosterImport
from qualification_registry.domain.roster_term import format_term
from qualification_registry.domain.suspension import Suspension

# Of an import; the bidders of the others are in the lines of the version.
_MOST_DECISIONS = 1000


class HistoryAction(StrEnum):
    """What was done."""

    ROSTER_IMPORTED = "roster imported"
    PREVIEW_CANCELLED = "roster preview cancelled"
    PASSWORDS_ORDERED = "passwords ordered"
    PASSWORD_ISSUED = "password issued"  # noqa: S105  # no password
    PASSWORD_REISSUED = "password reissued"  # noqa: S105  # no password
    BIDDER_SUSPENDED = "bidder suspended"
    SUSPENSION_CONFIRMED = "bidder suspension confirmed"
    SUSPENSION_LAPSED = "bidder suspension lapsed"
    BIDDER_RESUMED = "bidder resumed"
    BIDDER_LINKED = "bidder linked"
    REVIEW_ENDED = "company review ended"
    CARD_ASKED = "card approval asked"
    CARD_APPROVED = "card approved"
    CARD_REFUSED = "card approval refused"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who acts, by kind and name, when, and in which trace; None where no call causes it.

    Of an officer also the request and what it signed.
    """

    who: str
    happened_at: datetime
    trace_id: str | None
    request_id: UUID | None = None
    signed_act: SignedAct | None = None


def describe_import(
    circumstances: Circumstances, roster_import: RosterImport, version: int, counts: ImportCounts, answers: Answers
) -> Entry:
    """Returns the entry of a commit, however many lines it has: one act, with the answers that it took."""
    decisions = sorted((decision.row, decision.bidder_id) for decision in answers.decisions)
    return Entry(
        happened_at=circumstances.happened_at,
        who=circumstances.who,
        what=HistoryAction.ROSTER_IMPORTED,
        request_id=circumstances.request_id,
        trace_id=circumstances.trace_id,
        act=circumstances.signed_act,
        category=roster_import.category,
        agencies=_list_agencies(roster_import),
        before={"version": str(roster_import.base_version)},
        after={
            **_name_import(roster_import),
            "version": str(version),
            "new": str(counts.new),
            "changed": str(counts.changed),
            "unchanged": str(counts.unchanged),
            "gone": str(counts.gone),
            "decided_rows": str(len(decisions)),
            "decisions": [[str(row), bidder_id] for row, bidder_id in decisions[:_MOST_DECISIONS]],
            "accepts_suggestions": answers.accept_suggestions,
            "confirmed": list(answers.confirmed),
        },
    )


def describe_cancellation(circumstances: Circumstances, roster_import: RosterImport) -> Entry:
    """Returns the entry of a preview that is deleted with its file and lines."""
    return Entry(
        happened_at=circumstances.happened_at,
        who=circumstances.who,
        what=HistoryAction.PREVIEW_CANCELLED,
        request_id=circumstances.request_id,
        trace_id=circumstances.trace_id,
        act=circumstances.signed_act,
        category=roster_import.category,
        agencies=_list_agencies(roster_import),
        before=_name_import(roster_import),
        after={},
    )


def describe_order(circumstances: Circumstances, agency: str, category: str, order: IssueOrder, number: int) -> Entry:
    """Returns the entry of the one act by which passwords are issued, to this number of bidders at most.

    Each of them has an entry of its own, with the same request.
    """
    return Entry(
        happened_at=circumstances.happened_at,
        who=circumstances.who,
        what=HistoryAction.PASSWORDS_ORDERED,
        request_id=circumstances.request_id,
        trace_id=circumstances.trace_id,
        category=category,
        agencies=(agency,),
        before={},
        after={"bidders": str(number), **_describe_why(order)},
        act=circumstances.signed_act,
    )


def describe_passwords(
    circumstances: Circumstances, agency: str, category: str, order: IssueOrder, replaced: Mapping[str, bool]
) -> Iterator[Entry]:
    """Yields an entry for each bidder that got a password, and whether it replaced one; why, in case of a reissue."""
    for bidder_id, is_replaced in replaced.items():
        yield Entry(
            happened_at=circumstances.happened_at,
            who=circumstances.who,
            what=HistoryAction.PASSWORD_REISSUED if is_replaced else HistoryAction.PASSWORD_ISSUED,
            request_id=circumstances.request_id,
            trace_id=circumstances.trace_id,
            category=category,
            agencies=(agency,),
            bidder_id=bidder_id,
            before={"has_password": is_replaced},
            after={"has_password": True, **_describe_why(order)},
        )


def describe_suspension(
    action: HistoryAction,
    circumstances: Circumstances,
    before: Suspension | None,
    after: Suspension | None,
    *,
    reason: str | None = None,
) -> Entry:
    """Returns the entry of a suspension that began, was confirmed or ended: at least one of the two states is given.

    `reason` is the officer's, where one gave it.
    """
    suspension = before or after
    if suspension is None:
        raise ValueError("an entry is of a suspension")
    return Entry(
        happened_at=circumstances.happened_at,
        who=circumstances.who,
        what=action,
        request_id=circumstances.request_id,
        trace_id=circumstances.trace_id,
        category=suspension.category,
        agencies=(suspension.agency,),
        bidder_id=suspension.bidder_id,
        before=_describe_state(before),
        after=_describe_state(after) | ({} if reason is None else {"reason": reason}),
        act=circumstances.signed_act,
    )


def _describe_state(suspension: Suspension | None) -> dict[str, Any]:
    """Returns a suspension by its place: when it lapses, or who confirmed it."""
    if suspension is None:
        return {}
    lapses_at = suspension.lapses_at
    shown = suspension.confirmed_by if lapses_at is None else lapses_at.astimezone(UTC).isoformat()
    return {"suspension": {suspension.agency: shown}}


def describe_review_end(circumstances: Circumstances, end: ReviewEnd, reason: str) -> Entry:
    """Returns the entry of a review that an officer ended, at an agency or under the operator's code everywhere."""
    return Entry(
        happened_at=circumstances.happened_at,
        who=circumstances.who,
        what=HistoryAction.REVIEW_ENDED,
        request_id=circumstances.request_id,
        trace_id=circumstances.trace_id,
        category=end.category,
        agencies=(end.agency,),
        bidder_id=end.bidder_id,
        before={"under_review": True},
        after={"under_review": False, "reason": reason},
        act=circumstances.signed_act,
    )


def describe_link(
    circumstances: Circumstances, link: Link, *, agencies: tuple[str, ...], because: State
) -> tuple[Entry, Entry]:
    """Returns the entries of a bidder that took the place of another one: the bidder's own, and the other's.

    `because` is what else is noted: the officers' reason, or the roster that says so.
    """
    sides = ((link.bidder_id, "predecessor", link.predecessor), (link.predecessor, "successor", link.bidder_id))
    own, others = (
        Entry(
            happened_at=circumstances.happened_at,
            who=circumstances.who,
            what=HistoryAction.BIDDER_LINKED,
            request_id=circumstances.request_id,
            trace_id=circumstances.trace_id,
            category=link.category,
            agencies=agencies,
            bidder_id=bidder_id,
            before={},
            after={side: other, "succession": link.kind.value, **because},
            act=circumstances.signed_act,
        )
        for bidder_id, side, other in sides
    )
    return own, others


def describe_imported_links(
    circumstances: Circumstances, roster_import: RosterImport, links: Iterable[tuple[Link, datetime]]
) -> list[Entry]:
    """Returns the entries of bidders that an import made others' successors, from these instants on.

    The signed act is in the import's own entry, with the same request.
    """
    without_act = replace(circumstances, signed_act=None)
    return [
        entry
        for link, since in links
        for entry in describe_link(
            without_act,
            link,
            agencies=_list_agencies(roster_import),
            because={"since": since.astimezone(UTC).isoformat(), **_name_import(roster_import)},
        )
    ]


def describe_asked(circumstances: Circumstances, card: CardAtAgency, number: str, questions: Questions) -> Entry:
    """Returns the entry of a question about a card; the mail address for the answer is in none."""
    return Entry(
        happened_at=circumstances.happened_at,
        who=circumstances.who,
        what=HistoryAction.CARD_ASKED,
        trace_id=circumstances.trace_id,
        certificate_sha256=card.certificate_sha256,
        category=card.category,
        agencies=(card.agency,),
        bidder_id=card.bidder_id,
        before={},
        after=_name_questions(number, questions),
    )


def describe_decision(
    circumstances: Circumstances,
    asked: CardApproval,
    *,
    is_approved: bool,
    reason: str,
    request_id: UUID,
    signed_act: SignedAct,
) -> Entry:
    """Returns the entry of an officer's decision about a card."""
    card, named = asked.card, _name_questions(write_number(asked.number), asked.questions)
    return Entry(
        happened_at=circumstances.happened_at,
        who=circumstances.who,
        what=HistoryAction.CARD_APPROVED if is_approved else HistoryAction.CARD_REFUSED,
        request_id=request_id,
        trace_id=circumstances.trace_id,
        certificate_sha256=card.certificate_sha256,
        category=card.category,
        agencies=(card.agency,),
        bidder_id=card.bidder_id,
        before={},
        after={**named, "reason": reason},
        act=signed_act,
    )


def _name_questions(number: str, questions: Questions) -> State:
    return {
        "approval_number": number,
        "company_in_question": questions.company,
        "holder_in_question": questions.holder,
    }


def _describe_why(order: IssueOrder) -> State:
    return {"reason": order.reason, "document": order.document} if order.is_reissue else {}


def _name_import(roster_import: RosterImport) -> State:
    return {
        "import_id": str(roster_import.import_id),
        "roster": roster_import.roster,
        "mapping": roster_import.mapping,
        "term": format_term(roster_import.term) or None,
        "file_name": roster_import.file_name,
        "file_sha256": roster_import.file_sha256.hex(),
    }


def _list_agencies(roster_import: RosterImport) -> tuple[str, ...]:
    """Returns the agency that is responsible for the roster; none where the operator is."""
    return () if roster_import.responsible_agency == OPERATOR else (roster_import.responsible_agency,)
