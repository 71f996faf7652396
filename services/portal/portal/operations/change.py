"""変更: card, log-in, form with what is registered, check, act, receipt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

from portal.adapters.front_door import FrontDoor
from portal.domain.journey import CardAnswer, Journey, Role, SignatureAnswer, SignRequest, Step, require
from portal.domain.parts import ChangePart
from portal.operations.cards import hold_card, is_same_card, open_card
from portal.operations.contact_forms import CARD, REPRESENTATIVE, read_contact_form, write_contact_fields
from portal.operations.refusals import UNANSWERED, place_refusal, read_problem
from refusals import Refusal
from signed_acts.request import write_canonical
from toroku.contact.v1.contact_pb2 import ContactChange
from toroku.frontdoor.v1 import change_pb2


@dataclass(frozen=True, slots=True)
class ChangeWay:
    """The steps of a change. `chooses` tells whether the person says if other agencies follow; `follows` else."""

    front_door: FrontDoor
    chooses: bool
    follows: bool

    def begin(self, journey: Journey) -> Journey:
        """Returns the journey before its card."""
        return replace(journey, step=Step.CARD)

    async def take_card(self, journey: Journey, answer: CardAnswer) -> Journey:
        """Asks for the log-in of a card."""
        begun = await self.front_door.change.BeginChange(
            change_pb2.BeginChangeRequest(
                agency=journey.agency,
                category=journey.category,
                certificate=answer.certificate,
                other_certificates=answer.chain,
                resume_request_id=_find_resumed(journey),
            )
        )
        if not is_same_card(journey, Role.SOLE, answer):
            journey = replace(journey, part=ChangePart(), typed={}, after_log_in=None)
        return replace(hold_card(journey, Role.SOLE, answer, begun.card, begun.purpose), step=Step.LOG_IN)

    async def take_signature(self, journey: Journey, answer: SignatureAnswer) -> Journey:
        """Opens the session with a log-in and reads what is registered; keeps an act."""
        part = _part(journey)
        if journey.step is Step.ACT:
            return replace(journey, part=replace(part, act=answer.signed), signing=None)
        opened = await self.front_door.change.OpenChangeSession(
            change_pb2.OpenChangeSessionRequest(
                agency=journey.agency,
                category=journey.category,
                certificate=journey.find_card().certificate,
                log_in=answer.signed,
                resume_request_id=_find_resumed(journey),
            )
        )
        journey = open_card(journey, Role.SOLE, opened.card, opened.session_token, answer)
        if part.act is not None:
            return replace(journey, step=Step.ACT, after_log_in=None)
        registered = await self.front_door.change.GetRegistered(change_pb2.GetRegisteredRequest(**_place(journey)))
        typed = journey.typed or _read_contacts(registered)
        step = journey.after_log_in or Step.FORM
        if part.registered is None or part.checked is None:
            step = Step.FORM
        # What was typed before a new log-in was typed over what was seen then: its versions count.
        seen = part.registered if journey.typed and part.registered is not None else registered
        return replace(journey, part=replace(part, registered=seen), typed=typed, step=step, after_log_in=None)

    async def submit(self, journey: Journey, step: Step, fields: Mapping[str, str]) -> Journey:
        """Goes on from the form or the check."""
        if fields.get("answer") == "back":
            return replace(journey, step=Step.FORM if step is Step.CHECK else journey.step, signing=None)
        if step is Step.FORM:
            propagate = {"propagate": "1" if "propagate" in fields else ""}
            # A corrected form is another request, also where an act for the one before waits to be signed.
            journey = replace(journey, typed={**journey.typed, **propagate}, request_id=str(uuid4()))
        elif step is not Step.CHECK:
            return journey
        try:
            prepared = await self._prepare(journey, validate_only=step is Step.FORM)
        except Refusal as refusal:
            if refusal.reason != "CONTACT_CHANGED_MEANWHILE":
                raise
            return await self._show_overtaken(journey, refusal)
        if step is Step.FORM:
            return replace(journey, part=replace(_part(journey), checked=prepared), step=Step.CHECK)
        signing = SignRequest(purpose=prepared.purpose, request=write_canonical(prepared.form))
        return replace(journey, part=replace(_part(journey), prepared=prepared), signing=signing, step=Step.ACT)

    def is_committing(self, journey: Journey) -> bool:
        """Returns whether an act was signed that has no receipt yet."""
        part = _part(journey)
        return part.act is not None and part.receipt is None and bool(journey.find_card().session_token)

    async def commit(self, journey: Journey) -> Journey:
        """Changes the contacts."""
        part = _part(journey)
        changed = await self.front_door.change.SubmitChange(
            change_pb2.SubmitChangeRequest(**_place(journey), form=require(part.prepared).form, act=part.act)
        )
        return replace(journey, part=replace(part, receipt=changed.receipt), step=Step.RESULT, typed={})

    def may_show(self, journey: Journey, step: Step) -> bool:
        """Returns whether a page can be shown: form and check before the act."""
        part = _part(journey)
        if step is journey.step:
            return True
        if part.receipt is not None or part.act is not None or Role.SOLE not in journey.cards:
            return False
        has_session = bool(journey.find_card().session_token)
        reached = {Step.FORM: part.registered is not None, Step.CHECK: part.checked is not None}
        return has_session and reached.get(step, False)

    def place_refusal(self, journey: Journey, refusal: Refusal) -> Journey:
        """Returns the journey where a refusal is shown."""
        part = _part(journey)
        stay = {Step.LOG_IN: Step.CARD, Step.ACT: Step.CHECK}.get(journey.step, journey.step)
        if part.act is not None:
            if refusal.code in UNANSWERED:
                return replace(journey, problem=read_problem(refusal))
            # Refused at the new log-in, the act may still have come through: only an answer to itself ends it.
            if journey.step is Step.ACT and refusal.reason not in ("CARD_SESSION_EXPIRED", "CARD_SESSION_UNKNOWN"):
                journey = replace(journey, part=replace(part, act=None, prepared=None))
        if refusal.reason in ("CONTACT_CHANGED_MEANWHILE", "NOTHING_CHANGED", "FIELDS_INVALID"):
            return replace(journey, problem=read_problem(refusal), step=Step.FORM, signing=None)
        return place_refusal(journey, refusal, stay=stay, log_in=Step.CARD)

    async def _show_overtaken(self, journey: Journey, refusal: Refusal) -> Journey:
        """Returns the form with what the person typed, beside what somebody else has registered meanwhile."""
        registered = await self.front_door.change.GetRegistered(change_pb2.GetRegisteredRequest(**_place(journey)))
        part = replace(_part(journey), registered=registered, checked=None)
        return replace(journey, part=part, problem=read_problem(refusal), step=Step.FORM)

    async def _prepare(self, journey: Journey, *, validate_only: bool) -> change_pb2.PrepareChangeResponse:
        registered = require(_part(journey).registered)
        change = ContactChange(card_contact=read_contact_form(journey.typed, CARD))
        change.card_contact_version = registered.card_contact.version
        if registered.HasField("representative_contact"):
            change.representative_contact.CopyFrom(read_contact_form(journey.typed, REPRESENTATIVE))
            change.representative_contact_version = registered.representative_contact.version
        response: change_pb2.PrepareChangeResponse = await self.front_door.change.PrepareChange(
            change_pb2.PrepareChangeRequest(
                **_place(journey),
                request_id=journey.request_id,
                change=change,
                propagate=bool(journey.typed.get("propagate")) if self.chooses else self.follows,
                validate_only=validate_only,
            )
        )
        return response


def _read_contacts(registered: change_pb2.GetRegisteredResponse) -> dict[str, str]:
    fields = write_contact_fields(registered.card_contact.contact, CARD)
    if registered.HasField("representative_contact"):
        fields |= write_contact_fields(registered.representative_contact.contact, REPRESENTATIVE)
    return fields


def _find_resumed(journey: Journey) -> str:
    return journey.request_id if _part(journey).act is not None else ""


def _part(journey: Journey) -> ChangePart:
    return journey.find_part(ChangePart)


def _place(journey: Journey) -> dict[str, str]:
    return {
        "session_token": journey.find_card().session_token,
        "agency": journey.agency,
        "category": journey.category,
    }
