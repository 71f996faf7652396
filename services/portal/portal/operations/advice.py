"""Advice (REN-05): card, log-in, and which operation is right for the card."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from portal.adapters.front_door import FrontDoor
from portal.domain.journey import CardAnswer, Journey, Role, SignatureAnswer, Step
from portal.domain.parts import AdvicePart
from portal.operations.cards import hold_card, open_card
from portal.operations.refusals import place_refusal
from refusals import Refusal
from toroku.frontdoor.v1 import advice_pb2


@dataclass(frozen=True, slots=True)
class AdviceWay:
    """The steps to an advice."""

    front_door: FrontDoor

    def begin(self, journey: Journey) -> Journey:
        """Returns the journey before its card."""
        return replace(journey, step=Step.CARD)

    async def take_card(self, journey: Journey, answer: CardAnswer) -> Journey:
        """Asks for the log-in of a card."""
        begun = await self.front_door.advice.BeginAdvice(
            advice_pb2.BeginAdviceRequest(
                agency=journey.agency,
                category=journey.category,
                certificate=answer.certificate,
                other_certificates=answer.chain,
            )
        )
        return replace(hold_card(journey, Role.SOLE, answer, begun.card, begun.purpose), step=Step.LOG_IN)

    async def take_signature(self, journey: Journey, answer: SignatureAnswer) -> Journey:
        """Opens the session with a log-in, and asks."""
        opened = await self.front_door.advice.OpenAdviceSession(
            advice_pb2.OpenAdviceSessionRequest(
                agency=journey.agency,
                category=journey.category,
                certificate=journey.find_card().certificate,
                log_in=answer.signed,
            )
        )
        journey = open_card(journey, Role.SOLE, opened.card, opened.session_token, answer)
        advice = await self.front_door.advice.GetAdvice(
            advice_pb2.GetAdviceRequest(
                session_token=opened.session_token, agency=journey.agency, category=journey.category
            )
        )
        return replace(journey, part=AdvicePart(advice=advice), step=Step.ADVICE)

    async def submit(self, journey: Journey, step: Step, fields: Mapping[str, str]) -> Journey:  # noqa: ARG002 (nothing is typed)
        """Returns the journey as it is."""
        return journey

    def is_committing(self, journey: Journey) -> bool:  # noqa: ARG002 (there is no act)
        """Nothing is committed here."""
        return False

    async def commit(self, journey: Journey) -> Journey:
        """Nothing is committed here."""
        return journey

    def may_show(self, journey: Journey, step: Step) -> bool:
        """Returns whether it is the current page."""
        return step is journey.step

    def place_refusal(self, journey: Journey, refusal: Refusal) -> Journey:
        """Returns the journey where a refusal is shown."""
        stay = Step.CARD if journey.step is Step.LOG_IN else journey.step
        return place_refusal(journey, refusal, stay=stay, log_in=Step.CARD)
