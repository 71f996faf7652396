"""An officer's decision about a card, and the mail to who asked."""

from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from history.entries import Chain
from history.sealed_entry import NEXT_LOOK, USUAL_WAIT
from history.writing import write_history
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from qualification_registry.domain.bidder_state import BidderKey
from qualification_registry.domain.card_approval import (
    MOST_APPROVED,
    Answer,
    ApprovalState,
    CardApproval,
    CardAtAgency,
    read_number,
    write_number,
)
from qualification_registry.domain.history import Circumstances, describe_decision
from qualification_registry.operations.bidder_events import enqueue_states
from qualification_registry.store import bidder_states, card_approvals
from refusals import Code, Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.telemetry import find_trace_id

# The task that sends an answer; its argument is the `number`.
SEND_ANSWER = "send_card_answer"
ANSWERS_QUEUE = "card_answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an officer decides about a question, with the card that it was shown for."""

    number: str
    card: CardAtAgency
    approve: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardApprovalDecision:
    """Decides about cards."""

    database: Database
    chain: Chain
    clock: DatabaseClock

    async def decide(self, decision: Decision, act: OfficerAct) -> CardApproval:
        """Approves a card or refuses it; the other services and who asked are told. Returns the decided question.

        Raises OFFICER_REASON_INVALID, what `find_outcome` and `take_act` raise, CARD_APPROVAL_UNKNOWN,
        CARD_APPROVAL_DECIDED and CARD_APPROVALS_FULL.
        """
        check_reason(decision.reason)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            number = read_number(decision.number)
            is_repeated = await find_outcome(connection, act) is not None
            if not is_repeated:
                await take_act(connection, act, now)
            known = await card_approvals.lock(connection, number) if number is not None else None
            if number is None or known is None or known.card != decision.card:
                raise Refusal("CARD_APPROVAL_UNKNOWN", Code.NOT_FOUND)
            if is_repeated:
                return known
            if known.decided_at is not None:
                metadata = {"by": known.decided_by or "", "at": known.decided_at.isoformat()}
                raise Refusal("CARD_APPROVAL_DECIDED", Code.FAILED_PRECONDITION, metadata)
            if decision.approve:
                await _require_room(connection, known.card)
            entry = describe_decision(
                Circumstances(act.who, now, find_trace_id()),
                known,
                is_approved=decision.approve,
                reason=decision.reason,
                request_id=act.request_id,
                signed_act=act.signed_act,
            )
            [written] = await write_history(connection, self.chain, [entry])
            decided = await card_approvals.decide(
                connection,
                number,
                ApprovalState.APPROVED if decision.approve else ApprovalState.REFUSED,
                reason=decision.reason,
                decided_by=act.officer.name,
                notice_id=uuid4(),
                history_number=written.number,
                now=now,
            )
            if decision.approve:
                await enqueue_states(connection, known.card.category, [known.card.bidder_id])
            await jobs.enqueue(
                connection, SEND_ANSWER, queue=ANSWERS_QUEUE, arguments={"number": number}, delay=USUAL_WAIT
            )
            await save_outcome(connection, act, {"number": write_number(number)})
        return decided


async def _require_room(connection: Connection, card: CardAtAgency) -> None:
    # Nobody else decides about the bidder until the transaction ends.
    await bidder_states.lock_state(connection, BidderKey(card.bidder_id, card.category))
    if await card_approvals.count_approved(connection, card.category, card.bidder_id) >= MOST_APPROVED:
        raise Refusal("CARD_APPROVALS_FULL", Code.RESOURCE_EXHAUSTED, {"most": str(MOST_APPROVED)})


class AnswerSender(Protocol):
    """The service that sends answers as mails, each once by its notice's id."""

    async def send_answer(self, answer: Answer) -> None:
        """Hands an answer over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardAnswers:
    """Tells who asked what was decided."""

    database: Database
    sender: AnswerSender
    clock: DatabaseClock

    async def send(self, number: int) -> jobs.Result:
        """Hands the answer over to the service that sends it, and erases the mail address here; once.

        It waits until the decision's entry is sealed, a minute at most.
        """
        async with self.database.read() as connection:
            answer = await card_approvals.find_answer(connection, number, await self.clock(connection))
        if answer is None:
            return None
        if answer.waits:
            return jobs.Later(NEXT_LOOK)
        await self.sender.send_answer(answer)
        async with self.database.single_change() as connection:
            await card_approvals.forget_address(connection, number)
        return None
