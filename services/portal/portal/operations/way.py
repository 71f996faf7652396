"""How an operation goes from step to step: what every operation has."""

from collections.abc import Mapping
from typing import Protocol

from portal.domain.journey import CardAnswer, Journey, SignatureAnswer, Step
from refusals import Refusal


class Way(Protocol):
    """The steps of one operation. Each method returns the journey after it, or raises Refusal.

    A method may be called twice with the same journey, after a crash or by a second replica: every call to the front
    door may be repeated.
    """

    def begin(self, journey: Journey) -> Journey:
        """Returns the journey at its first hop."""
        ...

    async def take_card(self, journey: Journey, answer: CardAnswer) -> Journey:
        """Goes on with the card that the person chose: its log-in is to be signed."""
        ...

    async def take_signature(self, journey: Journey, answer: SignatureAnswer) -> Journey:
        """Goes on with the signature of `journey.signing`. That of the last act is only kept: `commit` sends it."""
        ...

    async def submit(self, journey: Journey, step: Step, fields: Mapping[str, str]) -> Journey:
        """Goes on with the form of a page; `journey.typed` has the fields already. `fields["answer"]` may be `back`."""
        ...

    def is_committing(self, journey: Journey) -> bool:
        """Returns whether a signed act is kept whose outcome is not known."""
        ...

    async def commit(self, journey: Journey) -> Journey:
        """Sends the signed act, or sends it again, and returns the journey at its end."""
        ...

    def may_show(self, journey: Journey, step: Step) -> bool:
        """Returns whether the page of a step can be shown now: the current one, and those before that can be redone."""
        ...

    def place_refusal(self, journey: Journey, refusal: Refusal) -> Journey:
        """Returns the journey at the step where a refusal is shown, and from which the person can go on."""
        ...
