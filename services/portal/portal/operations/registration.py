"""登録: card, log-in, search, form, check, act, receipt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

from portal.adapters.front_door import FrontDoor
from portal.domain.journey import CardAnswer, Journey, Role, SignatureAnswer, SignRequest, Step, require
from portal.domain.parts import RegistrationPart
from portal.operations.cards import hold_card, is_same_card, open_card
from portal.operations.contact_forms import CARD, REPRESENTATIVE, read_contact_form
from portal.operations.refusals import UNANSWERED, place_refusal, read_problem
from refusals import Refusal
from signed_acts.request import write_canonical
from toroku.frontdoor.v1 import registration_pb2

# Refusals of a search after which an officer can be asked.
ASKABLE = frozenset({"COMPANY_NEEDS_OFFICER", "HOLDER_NEEDS_OFFICER", "CARD_APPROVAL_REFUSED"})
_BACK = {Step.FORM: Step.SEARCH, Step.CHECK: Step.FORM, Step.APPROVAL: Step.SEARCH}


@dataclass(frozen=True, slots=True)
class RegistrationWay:
    """The steps of a registration."""

    front_door: FrontDoor

    def begin(self, journey: Journey) -> Journey:
        """Returns the journey before its card."""
        return replace(journey, step=Step.CARD)

    async def take_card(self, journey: Journey, answer: CardAnswer) -> Journey:
        """Asks for the log-in of a card. What was found for another card is not good for this one."""
        request = registration_pb2.BeginRegistrationRequest(
            agency=journey.agency,
            category=journey.category,
            certificate=answer.certificate,
            other_certificates=answer.chain,
            resume_request_id=self._find_resumed(journey),
        )
        begun = await self.front_door.registration.BeginRegistration(request)
        if not is_same_card(journey, Role.SOLE, answer):
            journey = replace(journey, part=RegistrationPart(), after_log_in=None)
        return replace(hold_card(journey, Role.SOLE, answer, begun.card, begun.purpose), step=Step.LOG_IN)

    async def take_signature(self, journey: Journey, answer: SignatureAnswer) -> Journey:
        """Opens the session with a log-in; keeps an act."""
        part = _part(journey)
        if journey.step is Step.ACT:
            return replace(journey, part=replace(part, act=answer.signed), signing=None)
        card = journey.find_card()
        request = registration_pb2.OpenSessionRequest(
            agency=journey.agency,
            category=journey.category,
            certificate=card.certificate,
            log_in=answer.signed,
            resume_request_id=self._find_resumed(journey),
        )
        opened = await self.front_door.registration.OpenSession(request)
        journey = open_card(journey, Role.SOLE, opened.card, opened.session_token, answer)
        if part.act is not None:
            return replace(journey, part=replace(part, standing=opened.standing), step=Step.ACT, after_log_in=None)
        step = journey.after_log_in or Step.SEARCH
        if part.found is None:
            step = Step.SEARCH
        return replace(journey, part=replace(part, standing=opened.standing), step=step, after_log_in=None)

    async def submit(self, journey: Journey, step: Step, fields: Mapping[str, str]) -> Journey:
        """Goes on from the search, the form, the check, or the question to an officer."""
        if fields.get("answer") == "back":
            return replace(journey, step=_BACK.get(step, journey.step), signing=None)
        match step:
            case Step.SEARCH:
                return await self._search(journey)
            case Step.FORM:
                return await self._check(journey)
            case Step.CHECK:
                return await self._prepare(journey)
            case Step.APPROVAL:
                return await self._ask(journey)
            case _:
                return journey

    def is_committing(self, journey: Journey) -> bool:
        """Returns whether an act was signed that has no receipt yet."""
        part = _part(journey)
        return part.act is not None and part.receipt is None and bool(journey.find_card().session_token)

    async def commit(self, journey: Journey) -> Journey:
        """Registers. After a new log-in the receipt is asked for first, since the act may have come through."""
        part, card = _part(journey), journey.find_card()
        request = registration_pb2.RegisterRequest(
            session_token=card.session_token,
            agency=journey.agency,
            category=journey.category,
            proof=require(part.found).proof,
            request_id=journey.request_id,
            act=part.act,
            predecessor_serial=journey.typed.get("predecessor_serial", ""),
        )
        registered = await self.front_door.registration.Register(request)
        return replace(journey, part=replace(part, receipt=registered.receipt), step=Step.RESULT, typed={})

    def may_show(self, journey: Journey, step: Step) -> bool:
        """Returns whether a page can be shown: after the log-in those before the act, as far as they were reached."""
        part = _part(journey)
        if step is journey.step:
            return True
        if part.receipt is not None or part.act is not None or not _has_session(journey):
            return False
        reached = {
            Step.SEARCH: True,
            Step.FORM: part.found is not None,
            Step.CHECK: part.checked is not None,
            Step.APPROVAL: journey.problem is not None and journey.problem.reason in ASKABLE,
        }
        return reached.get(step, False)

    def place_refusal(self, journey: Journey, refusal: Refusal) -> Journey:
        """Returns the journey where a refusal is shown."""
        part = _part(journey)
        stay = {Step.LOG_IN: Step.CARD, Step.ACT: Step.CHECK}.get(journey.step, journey.step)
        if part.act is not None:
            if refusal.code in UNANSWERED:
                # It may have come through: the act is kept, and sent again.
                return replace(journey, problem=read_problem(refusal))
            # Refused at the new log-in, the act may still have come through: only an answer to itself ends it.
            if journey.step is Step.ACT and refusal.reason not in ("CARD_SESSION_EXPIRED", "CARD_SESSION_UNKNOWN"):
                journey = replace(journey, part=replace(part, act=None, prepared=None))
        if refusal.reason in ASKABLE:
            return replace(journey, problem=read_problem(refusal), step=Step.APPROVAL, signing=None)
        if refusal.reason == "BIDDER_PROOF_EXPIRED":
            stay = Step.SEARCH
        return place_refusal(journey, refusal, stay=stay, log_in=Step.CARD)

    async def _search(self, journey: Journey) -> Journey:
        typed = journey.typed
        found = await self.front_door.registration.FindBidder(
            registration_pb2.FindBidderRequest(
                **_place(journey),
                name=typed.get("name", ""),
                bidder_id=typed.get("bidder_id", ""),
                password=typed.get("password", ""),
            )
        )
        kept = {name: value for name, value in typed.items() if name != "password"}
        part = replace(_part(journey), found=found, checked=None, prepared=None)
        return replace(journey, part=part, typed=kept, step=Step.FORM)

    async def _check(self, journey: Journey) -> Journey:
        # A corrected form is another request, also where an act for the one before waits to be signed.
        journey = replace(journey, request_id=str(uuid4()))
        checked = await self._call_prepare(journey, validate_only=True)
        return replace(journey, part=replace(_part(journey), checked=checked), step=Step.CHECK)

    async def _prepare(self, journey: Journey) -> Journey:
        prepared = await self._call_prepare(journey, validate_only=False)
        signing = SignRequest(purpose=prepared.purpose, request=write_canonical(prepared.form))
        return replace(journey, part=replace(_part(journey), prepared=prepared), signing=signing, step=Step.ACT)

    async def _call_prepare(
        self, journey: Journey, *, validate_only: bool
    ) -> registration_pb2.PrepareRegistrationResponse:
        found = require(_part(journey).found)
        request = registration_pb2.PrepareRegistrationRequest(
            session_token=journey.find_card().session_token,
            agency=journey.agency,
            category=journey.category,
            proof=found.proof,
            request_id=journey.request_id,
            card_contact=read_contact_form(journey.typed, CARD),
            validate_only=validate_only,
            person_in_charge=journey.person_in_charge,
            predecessor_serial=journey.typed.get("predecessor_serial", ""),
        )
        if found.representative_contact_wanted:
            request.representative_contact.CopyFrom(read_contact_form(journey.typed, REPRESENTATIVE))
        response: registration_pb2.PrepareRegistrationResponse = await self.front_door.registration.PrepareRegistration(
            request
        )
        return response

    async def _ask(self, journey: Journey) -> Journey:
        typed = journey.typed
        asked = await self.front_door.registration.AskForApproval(
            registration_pb2.AskForApprovalRequest(
                **_place(journey),
                name=typed.get("name", ""),
                bidder_id=typed.get("bidder_id", ""),
                password=typed.get("password", ""),
                mail_address=typed.get("mail_address", ""),
            )
        )
        part = replace(_part(journey), approval=asked.number)
        return replace(journey, part=part, typed={}, step=Step.ASKED)

    def _find_resumed(self, journey: Journey) -> str:
        """Returns the request whose outcome is not known, so that its card may log in although it is registered."""
        return journey.request_id if _part(journey).act is not None else ""


def _part(journey: Journey) -> RegistrationPart:
    return journey.find_part(RegistrationPart)


def _has_session(journey: Journey) -> bool:
    return Role.SOLE in journey.cards and bool(journey.find_card().session_token)


def _place(journey: Journey) -> dict[str, str]:
    return {
        "session_token": journey.find_card().session_token,
        "agency": journey.agency,
        "category": journey.category,
    }
