"""ICカード更新: old card, its log-in and act, new card, its log-in, check, its act, result."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from portal.adapters.front_door import FrontDoor
from portal.domain.journey import CARD_HOPS, CardAnswer, Journey, Role, SignatureAnswer, SignRequest, Step, require
from portal.domain.parts import RenewalPart
from portal.operations.cards import hold_card, open_card
from portal.operations.refusals import UNANSWERED, place_refusal, read_problem
from portal.operations.registration import ASKABLE
from refusals import Refusal
from signed_acts.request import write_canonical
from toroku.certificate.v1.card_pb2 import CARD_ROLE_NEW, CARD_ROLE_OLD
from toroku.frontdoor.v1 import renewal_pb2

_ROLES = {Role.OLD: CARD_ROLE_OLD, Role.NEW: CARD_ROLE_NEW}


@dataclass(frozen=True, slots=True)
class RenewalWay:
    """The steps of a renewal. `chooses` tells whether the person says if other agencies follow; `follows` else."""

    front_door: FrontDoor
    chooses: bool
    follows: bool

    def begin(self, journey: Journey) -> Journey:
        """Returns the journey before its old card."""
        return replace(journey, step=Step.OLD_CARD)

    async def take_card(self, journey: Journey, answer: CardAnswer) -> Journey:
        """Asks for the log-in of one of the cards. With an old card the renewal begins anew."""
        role = CARD_HOPS[journey.step]
        part = _part(journey)
        if role is Role.OLD and part.act is None:
            part = RenewalPart(successor_key=answer.successor_key)
            journey = replace(journey, cards={})
        begun = await self.front_door.renewal.BeginRenewal(
            renewal_pb2.BeginRenewalRequest(
                agency=journey.agency,
                category=journey.category,
                role=_ROLES[role],
                certificate=answer.certificate,
                other_certificates=answer.chain,
                resume_request_id=journey.request_id if role is Role.NEW and part.act is not None else "",
            )
        )
        step = Step.OLD_LOG_IN if role is Role.OLD else Step.NEW_LOG_IN
        return replace(hold_card(journey, role, answer, begun.card, begun.purpose), part=part, step=step)

    async def take_signature(self, journey: Journey, answer: SignatureAnswer) -> Journey:
        """Opens the session of a card with its log-in; keeps its act."""
        part = _part(journey)
        match journey.step:
            case Step.SUCCESSION:
                return replace(journey, part=replace(part, old_act=answer.signed), signing=None, step=Step.NEW_CARD)
            case Step.ACT:
                part = replace(part, act=answer.signed, successor_signature=answer.successor_signature)
                return replace(journey, part=part, signing=None)
            case Step.OLD_LOG_IN:
                return await self._agree(await self._open(journey, Role.OLD, answer))
            case _:
                journey = await self._open(journey, Role.NEW, answer)
                if part.act is not None:
                    return replace(journey, step=Step.ACT)
                return await self._check(journey)

    async def submit(self, journey: Journey, step: Step, fields: Mapping[str, str]) -> Journey:
        """Goes on from the check or the question to an officer; 戻る begins the renewal again (S-REN-07)."""
        if fields.get("answer") == "back":
            return replace(journey, part=RenewalPart(), cards={}, signing=None, step=Step.OLD_CARD)
        if step is Step.CHECK:
            journey = replace(journey, typed={"propagate": "1" if "propagate" in fields else ""})
            prepared = await self._prepare(journey, validate_only=False)
            signing = SignRequest(purpose=prepared.purpose, request=write_canonical(prepared.form))
            return replace(journey, part=replace(_part(journey), prepared=prepared), signing=signing, step=Step.ACT)
        if step is Step.APPROVAL:
            asked = await self.front_door.renewal.AskForRenewalApproval(
                renewal_pb2.AskForRenewalApprovalRequest(
                    **_place(journey), mail_address=journey.typed.get("mail_address", "")
                )
            )
            return replace(journey, part=replace(_part(journey), approval=asked.number), typed={}, step=Step.ASKED)
        return journey

    def is_committing(self, journey: Journey) -> bool:
        """Returns whether the new card's act was signed and there is no result yet."""
        part = _part(journey)
        has_session = Role.NEW in journey.cards and bool(journey.find_card(Role.NEW).session_token)
        return part.act is not None and part.result is None and has_session

    async def commit(self, journey: Journey) -> Journey:
        """Renews; where the old card's session has ended meanwhile, asks whether it was renewed."""
        part = _part(journey)
        if not journey.find_card(Role.OLD).session_token:
            return await self._look(journey)
        renewed = await self.front_door.renewal.Renew(
            renewal_pb2.RenewRequest(
                **_place(journey),
                form=require(part.prepared).form,
                old_act=part.old_act,
                new_act=part.act,
                successor_signature=part.successor_signature,
            )
        )
        return replace(journey, part=replace(part, result=renewed.result), step=Step.RESULT, typed={})

    def may_show(self, journey: Journey, step: Step) -> bool:
        """Returns whether a page can be shown: the check also while its act waits to be signed."""
        part = _part(journey)
        if step is journey.step:
            return True
        return step is Step.CHECK and part.checked is not None and part.act is None and journey.step is Step.ACT

    def place_refusal(self, journey: Journey, refusal: Refusal) -> Journey:
        """Returns the journey where a refusal is shown. What the old card agreed to ends with its session."""
        part = _part(journey)
        if part.act is not None:
            if refusal.code in UNANSWERED:
                return replace(journey, problem=read_problem(refusal))
            if refusal.reason in ("CARD_SESSION_EXPIRED", "CARD_SESSION_UNKNOWN"):
                # Whether it was renewed is asked in a session of the new card alone.
                return place_refusal(journey, refusal, stay=journey.step, log_in=Step.NEW_CARD)
            if journey.step is Step.ACT:
                journey = replace(journey, part=replace(part, act=None, prepared=None))
        if refusal.reason in ASKABLE:
            return replace(journey, problem=read_problem(refusal), step=Step.APPROVAL, signing=None)
        before = {
            Step.OLD_LOG_IN: Step.OLD_CARD,
            Step.SUCCESSION: Step.OLD_CARD,
            Step.NEW_LOG_IN: Step.NEW_CARD,
            Step.ACT: Step.CHECK,
        }
        stay = before.get(journey.step, journey.step)
        placed = place_refusal(journey, refusal, stay=stay, log_in=Step.OLD_CARD)
        return replace(placed, after_log_in=None)

    async def _open(self, journey: Journey, role: Role, answer: SignatureAnswer) -> Journey:
        opened = await self.front_door.renewal.OpenRenewalSession(
            renewal_pb2.OpenRenewalSessionRequest(
                agency=journey.agency,
                category=journey.category,
                role=_ROLES[role],
                certificate=journey.find_card(role).certificate,
                log_in=answer.signed,
                resume_request_id=journey.request_id if role is Role.NEW and _part(journey).act is not None else "",
            )
        )
        return open_card(journey, role, opened.card, opened.session_token, answer)

    async def _agree(self, journey: Journey) -> Journey:
        part = _part(journey)
        succession = await self.front_door.renewal.PrepareSuccession(
            renewal_pb2.PrepareSuccessionRequest(
                old_session_token=journey.find_card(Role.OLD).session_token,
                agency=journey.agency,
                category=journey.category,
                request_id=journey.request_id,
                successor_key=part.successor_key,
            )
        )
        signing = SignRequest(purpose=succession.purpose, request=write_canonical(succession.form))
        return replace(journey, part=replace(part, succession=succession), signing=signing, step=Step.SUCCESSION)

    async def _check(self, journey: Journey) -> Journey:
        checked = await self._prepare(journey, validate_only=True)
        return replace(journey, part=replace(_part(journey), checked=checked), step=Step.CHECK)

    async def _prepare(self, journey: Journey, *, validate_only: bool) -> renewal_pb2.PrepareRenewalResponse:
        response: renewal_pb2.PrepareRenewalResponse = await self.front_door.renewal.PrepareRenewal(
            renewal_pb2.PrepareRenewalRequest(
                **_place(journey),
                request_id=journey.request_id,
                successor_key=_part(journey).successor_key,
                propagate=bool(journey.typed.get("propagate")) if self.chooses else self.follows,
                validate_only=validate_only,
            )
        )
        return response

    async def _look(self, journey: Journey) -> Journey:
        part = _part(journey)
        found = await self.front_door.renewal.GetRenewalResult(
            renewal_pb2.GetRenewalResultRequest(
                new_session_token=journey.find_card(Role.NEW).session_token,
                agency=journey.agency,
                category=journey.category,
                request_id=journey.request_id,
            )
        )
        return replace(journey, part=replace(part, result=found.result), step=Step.RESULT, typed={})


def _part(journey: Journey) -> RenewalPart:
    return journey.find_part(RenewalPart)


def _place(journey: Journey) -> dict[str, str]:
    return {
        "old_session_token": journey.find_card(Role.OLD).session_token,
        "new_session_token": journey.find_card(Role.NEW).session_token,
        "agency": journey.agency,
        "category": journey.category,
    }
