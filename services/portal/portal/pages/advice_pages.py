"""The page of the advice (REN-05)."""

from instance_profile.model import Profile
from portal.domain.journey import Journey, Operation, Step, require
from portal.domain.parts import AdvicePart
from portal.pages import words
from portal.pages.parts import write_instant
from portal.pages.views import AdvicePage, Box, Frame, Link, Sayable, View, Words
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1.front_door_pb2 import Text

_OPERATIONS = {
    card_pb2.OPERATION_REGISTRATION: Operation.REGISTRATION,
    card_pb2.OPERATION_CHANGE: Operation.CHANGE,
    card_pb2.OPERATION_RENEWAL: Operation.RENEWAL,
}


def build(journey: Journey, journey_id: str, step: Step, profile: Profile, frame: Frame) -> View:  # noqa: ARG001 (one page)
    """Returns the advice."""
    advice = require(journey.find_part(AdvicePart).advice)
    operation = _OPERATIONS.get(advice.operation)
    names = {guide.operation.value: guide.name for guide in profile.operations}
    sections = [
        Box(title=title, lines=tuple(map(_read, texts)))
        for title, texts in (
            (words.WHY, advice.reasons),
            (words.CONSEQUENCES, advice.consequences),
            (words.EXCEPTIONS, advice.exceptions),
        )
        if texts
    ]
    if advice.HasField("until"):
        sections.insert(1, Box(title=words.UNTIL, lines=(write_instant(advice.until),)))
    name: Sayable = names[operation] if operation is not None else words.NONE_IS_RIGHT
    return AdvicePage(
        frame=frame,
        title=words.ADVICE_TITLE,
        standing=_read(advice.standing),
        operation=name,
        sections=tuple(sections),
        links=(Link(label=words.TO_MENU, address=frame.menu),),
    )


def _read(text: Text) -> Words:
    return Words(text.ja, text.en)
